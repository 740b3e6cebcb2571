/** One request for a stream by `fetch`, and the blocks that come. */
import { endOfAnswer } from "./end.js";
import { Parser, type Block } from "./parser.js";
import { membersOf, problemFrom, RefusedError } from "./problem.js";
import { type Backoff, isFinal, pauseAsked, pauseWhenFull, retryAfterSecs } from "./retry.js";
import type { End } from "./types.js";
import { DEAD_HEARTBEATS, HEARTBEAT_LONGEST_MS, HEARTBEAT_MS } from "./watch.js";

/** What `fetch` takes for headers. Not every program has a name for this type. */
export type HeadersGiven = NonNullable<RequestInit["headers"]>;

/** How a request is made. */
export interface RequestOptions {
  /** Headers of each request. A function is called for each, so it can give a token that was renewed meanwhile. */
  readonly headers?: HeadersGiven | (() => HeadersGiven | Promise<HeadersGiven>);
  /** Whether a browser sends cookies. The default is that of `fetch`. */
  readonly credentials?: "include" | "omit" | "same-origin";
  /** To abort this signal ends the loop: it throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Stands in for the global `fetch`. */
  readonly fetch?: typeof fetch;
}

/** What an answer without a stream means: the channel has ended, or the next attempt is made after so many ms. */
export type Instead = { readonly end: End } | { readonly delay: number };

export class Stream {
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal | undefined;
  readonly #stop = () => {
    this.#abort.abort();
    // This stops a stream whose request was made elsewhere, too.
    this.#reader?.cancel().catch(() => {});
  };
  readonly #parser = new Parser();
  readonly #utf8 = new TextDecoder();
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  /** How long nothing may come, in ms. */
  #patience = DEAD_HEARTBEATS * HEARTBEAT_MS;
  #hasBegun = false;

  /** Throws the reason of the signal if that is aborted. */
  constructor(signal: AbortSignal | undefined) {
    signal?.throwIfAborted();
    this.#signal = signal;
    signal?.addEventListener("abort", this.#stop);
  }

  /** Whether anything has come. */
  get hasBegun() {
    return this.#hasBegun;
  }

  /** The pause that the server asked for, in ms. */
  get retry() {
    return this.#parser.retry;
  }

  /** The server said its heartbeat interval. */
  heartbeat(seconds: unknown) {
    if (typeof seconds === "number" && seconds > 0) this.#patience = DEAD_HEARTBEATS * seconds * 1_000;
  }

  /** Asks for the stream. Throws a `RefusedError` if the server would refuse the same request again. */
  async request(url: URL, options: RequestOptions, backoff: Backoff): Promise<Instead | undefined> {
    const answer = await this.#ask(url, options, "text/event-stream");
    return answer ? this.take(answer, backoff) : { delay: backoff.failed() };
  }

  /** Asks why the channel has ended: an answer without a body could not say it. */
  async reason(url: URL, options: RequestOptions): Promise<End | undefined> {
    const answer = await this.#ask(url, options, "application/json");
    return answer && endOfAnswer(answer.status, await this.#members(answer));
  }

  async #ask(url: URL, { headers, credentials, fetch = globalThis.fetch }: RequestOptions, accept: string) {
    const sent = new Headers(typeof headers === "function" ? await headers() : headers);
    sent.set("Accept", accept);
    const { signal } = this.#abort;
    const request = { headers: sent, signal, ...(credentials && { credentials }) };
    const answer = await this.#inTime(fetch.call(globalThis, url, request)).catch(() => undefined);
    this.#signal?.throwIfAborted();
    return answer;
  }

  async #members(answer: Response): Promise<Record<string, unknown>> {
    const members = await this.#inTime(membersOf(answer)).catch(() => ({}));
    this.#signal?.throwIfAborted();
    return members;
  }

  /** Takes the stream of an answer. */
  async take(answer: Response, backoff: Backoff): Promise<Instead | undefined> {
    const { status, headers, ok } = answer;
    if (status === 200 && answer.body && headers.get("Content-Type")?.startsWith("text/event-stream")) {
      this.#reader = answer.body.getReader();
      return undefined;
    }
    const members = await this.#members(answer);
    const end = endOfAnswer(status, members);
    if (end) return { end };
    if (ok) throw new RefusedError(status, { detail: "the answer is not a stream of server-sent events" });
    if (isFinal(status)) throw new RefusedError(status, problemFrom(members));
    const seconds = retryAfterSecs(headers);
    if (seconds) return { delay: pauseAsked(seconds * 1_000) };
    return { delay: status === 429 ? pauseWhenFull() : backoff.failed() };
  }

  /**
   * The blocks that come next. `undefined` when the stream has ended, has broken, or is dead.
   *
   * Throws a `RangeError` if an event is too long.
   */
  async next(): Promise<Block[] | undefined> {
    const chunk = this.#reader && (await this.#inTime(this.#reader.read()).catch(() => undefined));
    if (!chunk || chunk.done) return undefined;
    // A stream of bare events does not say its heartbeat interval, but has one.
    if (!this.#hasBegun) this.#patience = DEAD_HEARTBEATS * HEARTBEAT_LONGEST_MS;
    this.#hasBegun = true;
    return this.#parser.push(this.#utf8.decode(chunk.value, { stream: true }));
  }

  close() {
    this.#signal?.removeEventListener("abort", this.#stop);
    this.#stop();
  }

  /** What the promise gives, if that does not take longer than nothing may come. */
  #inTime<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("nothing came")), this.#patience);
      promise.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }
}
