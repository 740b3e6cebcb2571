/** The server's clock, which need not be that of this machine. */

/** How long a page waits for the server to tell the time, before it takes the two clocks for the same. */
const PATIENCE_MS = 3_000;

/** How far the local clock is ahead: the least that a tick has said, because ticks travel. */
let ahead = Infinity;

/** A tick has just said that it is this time, in unix ms. */
export function serverSaid(now: number) {
  ahead = Math.min(ahead, Date.now() - now);
}

/** A time of the server by the local clock, in unix ms; `undefined` as long as the page is new and nobody has told. */
export function localTime(time: string): number | undefined {
  if (!Number.isFinite(ahead) && performance.now() < PATIENCE_MS) return undefined;
  return Date.parse(time) + (Number.isFinite(ahead) ? ahead : 0);
}
