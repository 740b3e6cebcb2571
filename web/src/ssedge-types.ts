/** What a subscription is told, and what it tells. */

/** Something that a stream said: an entry, or an event of the protocol. */
export interface Item {
  /** The cursor after it. */
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** An event with data. */
export interface Entry {
  /** The cursor after it. An event without an id of its own leaves the cursor where it was. */
  readonly id: string;
  /** Its type; `message` if the server named none. */
  readonly event: string;
  readonly data: string;
}

/** Some of what followed the cursor cannot be had any more. */
export interface Gap {
  /** `expired`: it is no longer kept. `unknown`: the server never gave this cursor. */
  readonly reason: string;
  /** The cursor that was asked for. */
  readonly requested: string;
  /** The feed goes on after this one. */
  readonly resumesAfter: string;
}

export type State =
  | { readonly name: "connecting" | "paused" }
  /** `silentSince`: a heartbeat is overdue; nothing has come since then, in unix ms. Soon it reconnects. */
  | { readonly name: "live"; readonly silentSince?: number }
  /**
   * `at`: when the next attempt starts, in unix ms, where this module and not the browser decides that. `reason`: the
   * server has no room for another reader, or cannot serve now.
   */
  | { readonly name: "reconnecting"; readonly at?: number; readonly reason?: "full" | "unavailable" }
  | Closed;

/** It does not come back by itself; a new subscription can go on at the cursor. */
export type Closed = { readonly name: "closed" } & (
  | { readonly reason: "unsubscribed" }
  /** `type` and `detail` are those of the problem document (RFC 9457) that came with the status, else empty. */
  | { readonly reason: "refused"; readonly status: number; readonly type: string; readonly detail: string }
);

/** Whose connection the entries come by: one that all tabs share, another tab's, or one for this subscription alone. */
export type Role = "leader" | "follower" | "alone";

export interface Options {
  /** Go on after this id; without it, the feed starts as its URL says (for example with `history=`). */
  readonly cursor?: string;
  /** Event types to listen for, beside the default one: `EventSource` tells only of types that one names. */
  readonly events?: readonly string[];
  /** Share the connection with other tabs; `true` unless said otherwise. */
  readonly share?: boolean;
  /** Send cookies to another origin. */
  readonly withCredentials?: boolean;
  /** Aborting it is `close()`. */
  readonly signal?: AbortSignal;
  readonly onEntry: (entry: Entry) => void;
  readonly onGap?: (gap: Gap) => void;
  readonly onState?: (state: State) => void;
}

export interface Subscription {
  /** The id after which to go on. Give it to a later `subscribe`. */
  readonly cursor: string | undefined;
  readonly state: State;
  readonly role: Role;
  /** How often the feed went live again. */
  readonly reconnects: number;
  /** Drops the connection, and comes back after `delay` ms; also if another tab holds it. */
  reconnect(delay?: number): void;
  /** Ends a pause between two attempts, unless the server or a caller of `reconnect` asked for it. */
  hurry(): void;
  /** The server has stored the entry with this id. If that does not come in 5 s, the connection is taken for dead. */
  expect(id: string): void;
  /** Ends the subscription. */
  close(): void;
}
