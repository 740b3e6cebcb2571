/** The quotes that the chart shows: a row for each time, and a column for each symbol. */

/** A quote as the feed sends it. */
export interface Quote {
  readonly symbol: string;
  readonly price: number;
  readonly change: number;
  readonly time: string;
  /** On a slow connection: how many quotes this one stands for. */
  readonly skipped?: number;
}

/** How much time the chart shows. */
export const WINDOW_SECS = 120;
/** How much time is kept: some more, so that a line begins at the edge of the chart. */
const KEPT_SECS = WINDOW_SECS + 10;

/** A price. `undefined`: the symbol has no quote at this time. `null`: its line is broken here. */
type Cell = number | null | undefined;

export class Market {
  /** The times of the rows, in unix seconds, ascending. */
  readonly times: number[] = [];
  readonly columns = new Map<string, Cell[]>();

  /** Adds a quote, which may be older than others. Returns `false` if it is there already. */
  add({ symbol, price, time }: Quote): boolean {
    const at = this.#row(Date.parse(time) / 1000);
    const column = this.columns.get(symbol) ?? new Array<Cell>(this.times.length).fill(undefined);
    this.columns.set(symbol, column);
    // If there are two in the same millisecond, the later one counts.
    if (column[at] === price) return false;
    column[at] = price;
    this.#trim();
    return true;
  }

  /** Breaks all lines after their last quotes, because the quotes that follow are lost. */
  breakLines() {
    const last = this.times.at(-1);
    if (last === undefined) return;
    const at = this.#row(last + 0.001);
    for (const column of this.columns.values()) column[at] = null;
  }

  /** The index of the row of this time. If there is none yet, it is added. */
  #row(time: number): number {
    let at = this.times.length;
    while (at > 0 && (this.times[at - 1] ?? 0) >= time) at -= 1;
    if (this.times[at] !== time) {
      this.times.splice(at, 0, time);
      for (const column of this.columns.values()) column.splice(at, 0, undefined);
    }
    return at;
  }

  #trim() {
    const oldest = (this.times.at(-1) ?? 0) - KEPT_SECS;
    const old = this.times.findIndex((time) => time >= oldest);
    // Some rows are removed at a time, not one each second.
    if (old < 10) return;
    this.times.splice(0, old);
    for (const column of this.columns.values()) column.splice(0, old);
  }
}
