/** The quotes that the chart shows, as columns over time. */

/** A quote as the feed sends it. */
export interface Quote {
  readonly symbol: string;
  readonly price: number;
  readonly change: number;
  readonly time: string;
  /** On a slow connection: how many quotes this one stands for. */
  readonly skipped?: number;
}

/** The chart's window. */
export const WINDOW_SECS = 120;
/** The columns reach a little further back, so that a line enters the window from its edge. */
const KEPT_SECS = WINDOW_SECS + 10;

/** A price; `undefined` where the symbol was not quoted then, `null` where its line is broken. */
type Cell = number | null | undefined;

export class Market {
  /** Unix seconds, ascending. */
  readonly times: number[] = [];
  readonly columns = new Map<string, Cell[]>();

  /** Takes a quote, which may fill in what was missed; `false` if it is known already. */
  add({ symbol, price, time }: Quote): boolean {
    const at = this.#row(Date.parse(time) / 1000);
    const column = this.columns.get(symbol) ?? new Array<Cell>(this.times.length).fill(undefined);
    this.columns.set(symbol, column);
    // Of two at the same millisecond the later one stands.
    if (column[at] === price) return false;
    column[at] = price;
    this.#trim();
    return true;
  }

  /** Breaks every line after its last quote: what follows that is lost. */
  breakLines() {
    const last = this.times.at(-1);
    if (last === undefined) return;
    const at = this.#row(last + 0.001);
    for (const column of this.columns.values()) column[at] = null;
  }

  /** The row of this time, made if there is none. */
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
    // A few at once, not one a second.
    if (old < 10) return;
    this.times.splice(0, old);
    for (const column of this.columns.values()) column.splice(0, old);
  }
}
