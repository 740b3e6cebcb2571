/** What a subscription is given, and what it reports. */

/** What a stream brings: an entry, or an event of the protocol (`cursor`, `gap` or `end`). */
export interface Item {
  /** The cursor after it. */
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** An event with data that somebody published. */
export interface Entry {
  /** The cursor after it. An event without an id of its own does not move the cursor. */
  readonly id: string;
  /** Its type; `message` if the server named none. */
  readonly event: string;
  readonly data: string;
}

/** Some of the entries after the cursor can no longer be had. */
export interface Gap {
  /** `expired`: the server no longer keeps them. `unknown`: the server never gave out this cursor. */
  readonly reason: string;
  /** The cursor that was asked for. */
  readonly requested: string;
  /** The feed goes on after this id. */
  readonly resumesAfter: string;
}

/** The channel was closed: it has no more entries, and will have none. */
export interface End {
  /** What was said when it was closed, for example `done` or `abandoned`. `undefined` if the server did not tell. */
  readonly reason: string | undefined;
  /** The id of its last entry. `undefined` if the server did not tell. */
  readonly last: string | undefined;
}

export type State =
  | { readonly name: "connecting" | "paused" }
  /** `silentSince`: a heartbeat is overdue. Nothing has come since this time, in unix ms. It will reconnect soon. */
  | { readonly name: "live"; readonly silentSince?: number }
  /**
   * `at`: when the next attempt starts, in unix ms. It is missing when the browser decides that. `reason`: the server
   * has no room for another reader (`full`), or cannot serve now (`unavailable`).
   */
  | { readonly name: "reconnecting"; readonly at?: number; readonly reason?: "full" | "unavailable" }
  | Closed;

/** The subscription has ended for good. A new one can go on at its cursor. */
export type Closed = { readonly name: "closed" } & (
  | { readonly reason: "unsubscribed" }
  /** The channel was closed. A new subscription would end at once, too. */
  | { readonly reason: "ended"; readonly end: End }
  /**
   * `type` and `detail` are those of the problem document (RFC 9457) in the server's answer; empty if there was none.
   */
  | { readonly reason: "refused"; readonly status: number; readonly type: string; readonly detail: string }
);

/**
 * Whose connection brings the entries. `leader`: this tab's, which other tabs share. `follower`: another tab's.
 * `alone`: this tab's, which nobody shares.
 */
export type Role = "leader" | "follower" | "alone";

export interface Options {
  /** Go on after this id. Without it, the feed starts as its URL says (for example with `history=`). */
  readonly cursor?: string;
  /** Event types to listen for, beside `message`: an `EventSource` reports only the types that it was told. */
  readonly events?: readonly string[];
  /** Whether to share the connection with other tabs. The default is `true`. */
  readonly share?: boolean;
  /** Whether to send cookies to another origin. The default is `false`. */
  readonly withCredentials?: boolean;
  /** To abort this signal is the same as to call `close()`. */
  readonly signal?: AbortSignal;
  readonly onEntry: (entry: Entry) => void;
  readonly onGap?: (gap: Gap) => void;
  /** The channel was closed, and all of its entries have come. The subscription has ended, too. */
  readonly onEnd?: (end: End) => void;
  readonly onState?: (state: State) => void;
}

export interface Subscription {
  /** The id after which to go on. Give it to a later `subscribe`. */
  readonly cursor: string | undefined;
  readonly state: State;
  readonly role: Role;
  /** How often the feed became live again. */
  readonly reconnects: number;
  /** Drops the connection, also when another tab has it, and opens a new one after `delay` ms. */
  reconnect(delay?: number): void;
  /** Ends a pause between two attempts, unless the server or a call of `reconnect` asked for that pause. */
  hurry(): void;
  /**
   * The server has stored the entry with this id. If the stream does not bring it within 5 s, the connection is dead.
   */
  expect(id: string): void;
  /** Ends the subscription. */
  close(): void;
}
