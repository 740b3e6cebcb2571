/**
 * Whether a connection is alive. A proxy may keep one open and pass nothing more, and no error tells of that; but a
 * server is never silent for longer than its heartbeat, which it tells at the beginning of a stream.
 */

/** Before a server has told its heartbeat: its default. */
const HEARTBEAT_MS = 15_000;
/** After so many silent heartbeats the silence is told, and after so many the connection is taken for dead. */
const [TOLD, DEAD] = [1.5, 2.5];
/** How often it is looked. */
const LOOK_MS = 500;
/** Between two looks of a page that runs. One that stood still has first to be told what came meanwhile. */
const STILL_MS = 2_000;

/** What a watch tells. */
interface Ends {
  /** Nothing has come since then, in unix ms: longer than it should take. */
  silent(since: number): void;
  dead(): void;
}

export class Watch {
  readonly #ends: Ends;
  #heartbeat: number | undefined;
  #atLeast = 0;
  #heardAt = 0;
  #lookedAt = 0;
  #isTold = false;
  /** Whether the stream has begun: one that tells no heartbeat may then be silent for as long as it likes. */
  #hasBegun = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(ends: Ends) {
    this.#ends = ends;
  }

  /** A stream is to begin, which may take `atLeast` ms. */
  start(atLeast = 0) {
    this.stop();
    this.#atLeast = atLeast;
    this.#hasBegun = false;
    this.#heardAt = this.#lookedAt = Date.now();
    this.#isTold = false;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Something came, perhaps with the heartbeat. Answers whether the silence before it was told. */
  heard(heartbeatSecs?: unknown): boolean {
    if (typeof heartbeatSecs === "number" && heartbeatSecs > 0) this.#heartbeat = heartbeatSecs * 1_000;
    this.#heardAt = Date.now();
    this.#hasBegun = true;
    const wasTold = this.#isTold;
    this.#isTold = false;
    return wasTold;
  }

  stop() {
    clearInterval(this.#timer);
  }

  #look() {
    const now = Date.now();
    const stoodStill = now - this.#lookedAt > STILL_MS;
    this.#lookedAt = now;
    const silence = now - this.#heardAt;
    const heartbeat = this.#heartbeat ?? (this.#hasBegun ? Infinity : HEARTBEAT_MS);
    if (stoodStill) return;
    if (silence >= Math.max(DEAD * heartbeat, this.#hasBegun ? 0 : this.#atLeast)) {
      this.#ends.dead();
    } else if (silence >= TOLD * heartbeat && this.#hasBegun && !this.#isTold) {
      this.#isTold = true;
      this.#ends.silent(this.#heardAt);
    }
  }
}
