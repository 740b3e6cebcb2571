/** What an append is given, and what it reports. */

export interface AppendOptions {
  /** The name of the event of each entry. */
  readonly event?: string;
  /** The key of each entry: readers can ask for some keys alone, or for the newest entry of each. */
  readonly key?: string;
  /** A request with the same key and body is stored once. By default each call has a key of its own. */
  readonly idempotencyKey?: string;
  /** Append only if this is the id of the last entry. Else it is refused with `412`. */
  readonly ifMatch?: string;
  /** `*`: append only if the channel has no entry and was not closed. Else it is refused with `412`. */
  readonly ifNoneMatch?: "*";
  /** Close the channel with the reason `abandoned` if nothing is appended for so many seconds, 5 to 3600. */
  readonly lease?: number;
  /** With the first append: for how many seconds the channel is kept behind its last entry. */
  readonly keep?: number;
  /** Close the channel behind these entries. */
  readonly close?: boolean;
  /** Why it is closed, by default `done`: 1 to 32 of `a-z 0-9 _ -`. */
  readonly reason?: string;
  readonly signal?: AbortSignal;
}

/** What was stored. */
export interface Appended {
  /** The id of the first entry of the request; `undefined` if it had none. */
  readonly first: string | undefined;
  /** The id of the last entry of the channel. */
  readonly last: string;
  /** How many entries the request had. */
  readonly count: number;
  /** Whether an earlier request with the same key had stored this. */
  readonly replayed: boolean;
}
