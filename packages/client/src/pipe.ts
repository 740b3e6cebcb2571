/**
 * Pipes a source into a channel. Pieces are gathered for a moment, then appended: one request at a time, in order, each
 * with an `Idempotency-Key` of its own, so that a request that is repeated is stored once.
 *
 * ```text
 *  source ──▶ queue ──▶ append ──▶ channel
 *                │         └─ closed by somebody else: the source is cancelled
 *                └─ when it is full, the source is not read on
 * ```
 */
import { Bell } from "./bell.js";
import type { Appended, AppendOptions } from "./append.js";
import { type Draft, REQUEST_BYTES, REQUEST_ENTRIES } from "./draft.js";
import { type Problem, RefusedError, text } from "./problem.js";
import type { Pieces } from "./source.js";
import type { End } from "./types.js";

/** For how long pieces are gathered, in ms: what a reader hardly notices, and a model says a few words in. */
const GATHER_MS = 40;
/** From so many bytes on they are not gathered any longer. */
const GATHER_BYTES = 16 * 1024;
/** How often a lease is renewed while the source is silent, in its time: two of three may fail. */
const RENEWALS = 3;

export interface PipeOptions {
  /** To abort this signal closes the channel with the reason `aborted`, and cancels the source. */
  readonly signal?: AbortSignal;
  /**
   * Seconds, 5 to 3600. If this program dies, the channel is closed after so long, with the reason `abandoned`. While the
   * source is silent, the lease is renewed.
   */
  readonly lease?: number;
  /** For how many seconds the channel is kept behind its last entry. */
  readonly keep?: number;
  /** The name of the event of each entry that has none of its own. */
  readonly event?: string;
  /** The key of each entry. */
  readonly key?: string;
  /** Somebody else closed the channel. The source is cancelled, and nothing more is appended. */
  readonly onStop?: (end: End) => void;
}

/** What was piped. */
export interface Piped {
  /** How many entries. */
  readonly count: number;
  /** The id of the channel's last entry; `undefined` if nothing was appended. */
  readonly last: string | undefined;
  /** Set if somebody else closed the channel, before the source had ended. */
  readonly stopped: End | undefined;
}

/** How a pipe appends. */
export type Send = (drafts: readonly Draft[], options: AppendOptions) => Promise<Appended>;

export class Pipe {
  readonly #pieces: Pieces;
  readonly #send: Send;
  readonly #options: PipeOptions;
  readonly #changed = new Bell();
  readonly #queue: Draft[] = [];
  #bytes = 0;
  /** When the first entry of the queue came, in unix ms. */
  #since = 0;
  /** When the last request was made, in unix ms. */
  #sentAt = Date.now();
  /** Set when nothing more comes into the queue: for what reason the channel is to be closed. */
  #reason: "done" | "failed" | "aborted" | undefined;
  /** What `run` throws, unless the source is done. */
  #failure: unknown;
  #count = 0;
  #last: string | undefined;

  constructor(pieces: Pieces, send: Send, options: PipeOptions) {
    this.#pieces = pieces;
    this.#send = send;
    this.#options = options;
  }

  /** Pipes until the source or the channel ends. */
  async run(): Promise<Piped> {
    const { signal, onStop } = this.#options;
    const abort = () => this.#reason ?? this.#end("aborted", signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);
    let stopped: End | undefined;
    try {
      void this.#fill();
      await this.#drain();
    } catch (error) {
      if (error instanceof RefusedError && error.kind === "closed") stopped = endOf(error.problem);
      this.#end("failed", error);
    }
    signal?.removeEventListener("abort", abort);
    if (this.#reason !== "done") this.#pieces.cancel(this.#failure);
    if (stopped) onStop?.(stopped);
    else if (this.#reason !== "done") throw this.#failure;
    return { count: this.#count, last: this.#last, stopped };
  }

  /** Nothing more comes. The first failure counts; what the source gave may also fail after its end. */
  #end(reason: "done" | "failed" | "aborted", failure?: unknown) {
    if (!this.#reason || this.#reason === "done") [this.#reason, this.#failure] = [reason, failure];
    this.#changed.ring();
  }

  /** Reads the source into the queue. */
  async #fill() {
    try {
      while (!this.#reason) {
        if (this.#bytes >= REQUEST_BYTES || this.#queue.length >= REQUEST_ENTRIES) {
          await this.#changed.wait();
          continue;
        }
        const drafts = await this.#pieces.next();
        if (!drafts) return this.#end("done");
        if (this.#reason) return;
        if (this.#queue.length === 0) this.#since = Date.now();
        this.#queue.push(...drafts);
        for (const { bytes } of drafts) this.#bytes += bytes;
        this.#changed.ring();
      }
    } catch (error) {
      this.#end("failed", error);
    }
  }

  /** Appends what is in the queue, until nothing more comes; then closes the channel. */
  async #drain() {
    const { key, lease, keep } = this.#options;
    for (let isOver = false; !isOver; ) {
      await this.#isTime();
      const drafts = this.#take();
      const reason = this.#queue.length === 0 ? this.#reason : undefined;
      isOver = reason !== undefined;
      this.#sentAt = Date.now();
      const { last } = await this.#send(drafts, {
        ...(key && { key }),
        ...(keep && this.#count === 0 && { keep }),
        ...(reason ? { close: true, reason } : lease && { lease }),
      });
      this.#count += drafts.length;
      this.#last = last;
    }
  }

  /** Waits until a request is to be made: entries were gathered, nothing more comes, or the lease is to be renewed. */
  async #isTime() {
    const { lease = Infinity } = this.#options;
    while (!this.#reason) {
      const { length } = this.#queue;
      const isFull = this.#bytes >= GATHER_BYTES || length >= REQUEST_ENTRIES;
      const at = length > 0 ? this.#since + GATHER_MS : this.#sentAt + (lease * 1_000) / RENEWALS;
      const left = at - Date.now();
      if (isFull || left <= 0) return;
      await this.#changed.wait(left < Infinity ? left : undefined);
    }
  }

  /** Takes the entries of one request from the queue. */
  #take(): Draft[] {
    let [count, bytes] = [0, 0];
    for (const draft of this.#queue.slice(0, REQUEST_ENTRIES)) {
      if (bytes + draft.bytes > REQUEST_BYTES) break;
      [count, bytes] = [count + 1, bytes + draft.bytes];
    }
    this.#bytes -= bytes;
    const drafts = this.#queue.splice(0, count);
    this.#changed.ring();
    return drafts;
  }
}

const endOf = ({ reason, last }: Problem): End => ({ reason: text(reason), last: text(last) });
