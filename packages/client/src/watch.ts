/**
 * Notices a connection that is open and dead. A proxy may keep a connection open and pass on nothing more, and the
 * browser reports no error then. But a server sends something at least once in each heartbeat interval, and says at the
 * beginning of a stream how long that is. So a silence that is much longer means that the connection is dead.
 */

/** The longest heartbeat interval that a server can have, in ms. */
export const HEARTBEAT_LONGEST_MS = 60_000;
/** The heartbeat interval until the server has said its own: the default of the server, in ms. */
export const HEARTBEAT_MS = 15_000;
/** After a silence of so many heartbeat intervals, the silence is reported. */
const SILENT_HEARTBEATS = 1.5;
/** After a silence of so many heartbeat intervals, the connection counts as dead. */
export const DEAD_HEARTBEATS = 2.5;
/** How often the silence is measured. */
const CHECK_MS = 500;
/**
 * When two checks are further apart than this, the page was suspended between them, for example in a laptop that slept.
 * It may have events in its queue that it has not handled yet, so the silence does not count.
 */
const SUSPENDED_MS = 2_000;

export interface WatchCallbacks {
  /** Nothing has come since this time, in unix ms, which is longer than it should take. */
  silent(since: number): void;
  /** The connection is dead. */
  dead(): void;
}

export class Watch {
  readonly #callbacks: WatchCallbacks;
  #heartbeatMs: number | undefined;
  #openingMs = 0;
  #heardAt = 0;
  #checkedAt = 0;
  #isSilenceReported = false;
  /** Whether the stream has begun. If it began without a heartbeat interval, it may be silent for any time. */
  #hasBegun = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(callbacks: WatchCallbacks) {
    this.#callbacks = callbacks;
  }

  /** Begins to watch a connection. Its stream may take `openingMs` to begin, or longer if heartbeats are rarer. */
  start(openingMs = 0) {
    this.stop();
    this.#openingMs = openingMs;
    this.#hasBegun = false;
    this.#heardAt = this.#checkedAt = Date.now();
    this.#isSilenceReported = false;
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
  }

  /** Something came, perhaps with the heartbeat interval. Returns whether the silence before it was reported. */
  heard(heartbeatSecs?: unknown): boolean {
    if (typeof heartbeatSecs === "number" && heartbeatSecs > 0) this.#heartbeatMs = heartbeatSecs * 1_000;
    this.#heardAt = Date.now();
    this.#hasBegun = true;
    const wasReported = this.#isSilenceReported;
    this.#isSilenceReported = false;
    return wasReported;
  }

  stop() {
    clearInterval(this.#timer);
  }

  #check() {
    const now = Date.now();
    const wasSuspended = now - this.#checkedAt > SUSPENDED_MS;
    this.#checkedAt = now;
    if (wasSuspended) return;
    const silence = now - this.#heardAt;
    const heartbeat = this.#heartbeatMs ?? (this.#hasBegun ? Infinity : HEARTBEAT_MS);
    if (silence >= Math.max(DEAD_HEARTBEATS * heartbeat, this.#hasBegun ? 0 : this.#openingMs)) {
      this.#callbacks.dead();
    } else if (silence >= SILENT_HEARTBEATS * heartbeat && this.#hasBegun && !this.#isSilenceReported) {
      this.#isSilenceReported = true;
      this.#callbacks.silent(this.#heardAt);
    }
  }
}
