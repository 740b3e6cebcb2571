/** What a tab was shown of a feed: from its log a leader answers the tabs that join it. */
import type { Item } from "./ssedge-types.js";

/** Characters of data in the log of a tab: some thousand entries. */
const LOG_CHARS = 1 << 19;

/** Newest last, bounded. */
export class Log {
  /** The cursor before the first item; `undefined`: the feed's beginning, as its URL says. */
  #start: string | undefined;
  readonly #items: Item[] = [];
  #chars = 0;

  constructor(start: string | undefined) {
    this.#start = start;
  }

  add(item: Item) {
    this.#items.push(item);
    this.#chars += item.data.length;
    if (this.#chars > LOG_CHARS) this.#trim();
  }

  /** The last entry, if the cursor has not moved since. */
  lastAt(cursor: string | undefined): Item | undefined {
    return this.#items.findLast(({ id, event }) => id === cursor && event !== "cursor");
  }

  /** What follows the `last` entry, else the cursor, else the feed's beginning; `undefined` if that is not here. */
  after(cursor: string | undefined, last: Item | undefined): Item[] | undefined {
    const isLast = ({ id, event, data }: Item) => id === last?.id && event === last.event && data === last.data;
    const known = this.#items.findLastIndex(isLast);
    if (known >= 0) return this.#items.slice(known + 1);
    if (cursor === this.#start) return [...this.#items];
    // The first with this id: items without one of their own may follow it, and who has those knows them.
    const at = this.#items.findIndex(({ id }) => id === cursor);
    return at < 0 ? undefined : this.#items.slice(at + 1);
  }

  /** Drops the older half, up to where an id ends. */
  #trim() {
    let dropped = 0;
    while (this.#chars > LOG_CHARS / 2 || this.#items[dropped]?.id === this.#start) {
      const item = this.#items[dropped];
      if (!item) break;
      this.#chars -= item.data.length;
      this.#start = item.id;
      dropped += 1;
    }
    this.#items.splice(0, dropped);
  }
}
