/** Where a reader is in a channel, so that nothing comes twice. */
import { membersIn, text } from "./problem.js";
import type { Gap, Item } from "./types.js";

/** How many items with the same id are remembered: twice as many as a server sends at most, which is 500 quotes. */
const SEEN_MAX = 1_000;

export class Position {
  /** The id after which to go on; `undefined` if the feed is to start as its URL says. */
  cursor: string | undefined;
  /** Items at the cursor. Those without an id of their own may be sent again when the connection breaks. */
  readonly #seen = new Set<string>();

  constructor(cursor: string | undefined) {
    this.cursor = cursor;
  }

  /** Moves to an item that came. Returns whether it is new. */
  reach({ id, event, data }: Item): boolean {
    const key = `${event}\n${data}`;
    if (id !== this.cursor) this.#seen.clear();
    else if (this.#seen.has(key)) return false;
    else this.#seen.add(key);
    const [oldest] = this.#seen;
    if (oldest !== undefined && this.#seen.size > SEEN_MAX) this.#seen.delete(oldest);
    this.cursor = id;
    return true;
  }
}

/** The URL of a feed, from a cursor on. */
export function atCursor(feed: URL, cursor: string | undefined): URL {
  const url = new URL(feed);
  if (cursor !== undefined) url.searchParams.set("lastEventId", cursor);
  return url;
}

/** What the event `gap` says. */
export function gapOf({ id, data }: Item): Gap {
  const { reason, requested } = membersIn(data);
  return { reason: text(reason) ?? "", requested: text(requested) ?? "", resumesAfter: id };
}
