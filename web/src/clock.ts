/** The difference between the clock of the server and that of this machine. */

/** How long a page waits until the server says its time. After that, the two clocks count as equal. */
const PATIENCE_MS = 3_000;

/** How many ms the local clock is ahead: the least that was seen, since ticks take time to arrive. */
let ahead = Infinity;

/** The server has just said its time, in unix ms. */
export function serverSaidTime(now: number) {
  ahead = Math.min(ahead, Date.now() - now);
}

/**
 * When it was this time on the server, by the local clock, in unix ms. `undefined`: the difference is not known yet.
 */
export function localTime(time: string): number | undefined {
  if (!Number.isFinite(ahead) && performance.now() < PATIENCE_MS) return undefined;
  return Date.parse(time) + (Number.isFinite(ahead) ? ahead : 0);
}
