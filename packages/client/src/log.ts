/** The log of a tab: what the tab was shown of a feed. From its log, a leader answers the tabs that join it. */
import type { Item } from "./types.js";

/** The most characters of data in a log: some thousand entries. */
const LOG_CHARS = 1 << 19;

/** Items in the order in which they were shown. When there are too many, the oldest are dropped. */
export class Log {
  /** The cursor before the first item. `undefined` is the beginning of the feed, as its URL says. */
  #start: string | undefined;
  readonly #items: Item[] = [];
  #chars = 0;

  constructor(start: string | undefined) {
    this.#start = start;
  }

  add(item: Item) {
    this.#items.push(item);
    this.#chars += item.data.length;
    if (this.#chars > LOG_CHARS) this.#dropOlderHalf();
  }

  /** The last entry at this cursor, if one was shown there. */
  lastAt(cursor: string | undefined): Item | undefined {
    return this.#items.findLast(({ id, event }) => id === cursor && event !== "cursor");
  }

  /**
   * What a tab needs that has this cursor, and whose last entry there is `last`: the items behind `last`. If the log
   * does not have `last`, the items behind the cursor. `undefined` if the log does not have the cursor either.
   */
  after(cursor: string | undefined, last: Item | undefined): Item[] | undefined {
    const isLast = ({ id, event, data }: Item) => id === last?.id && event === last.event && data === last.data;
    const known = this.#items.findLastIndex(isLast);
    if (known >= 0) return this.#items.slice(known + 1);
    if (cursor === this.#start) return [...this.#items];
    // The first item with this id. Behind it may be items without an id of their own, which have the same one here. A
    // tab that is sent one of them again knows it and does not show it twice.
    const at = this.#items.findIndex(({ id }) => id === cursor);
    return at < 0 ? undefined : this.#items.slice(at + 1);
  }

  /** Drops about half of the characters. Items with the same id stay or go together. */
  #dropOlderHalf() {
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
