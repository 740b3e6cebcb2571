/** The raw lines of a stream, by `fetch`: `EventSource` keeps comments and `retry` to itself. */
import { Backoff, isFinal, pauseAsked, REQUEST, retryAfterSecs } from "./ssedge-retry.js";
import { Watch } from "./ssedge-watch.js";

export interface RawEnds {
  /** A line as it came, without its end. */
  line(text: string): void;
  /** A request is made, with this cursor. */
  request(url: string, cursor: string | undefined): void;
  /** The answer is no stream. */
  refused(status: number, body: string): void;
  /** The stream is over; the next request follows after so many ms, if any does. */
  ended(delay: number | undefined): void;
}

/** Where the server asked for nothing else. */
const RETRY_MS = 2_000;

/** Reads a stream again and again, resuming by `Last-Event-ID` as the specification has it, until it is stopped. */
export class RawReader {
  readonly #url: string;
  readonly #ends: RawEnds;
  #cursor: string | undefined;
  /** The id of the block that is being read: it is the cursor once the block has ended. */
  #id: string | undefined;
  #retry = RETRY_MS;
  readonly #backoff = new Backoff(REQUEST);
  #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #watch = new Watch({ silent: () => {}, dead: () => this.reconnect(0) });

  constructor(url: string, cursor: string | undefined, ends: RawEnds) {
    this.#url = url;
    this.#cursor = cursor;
    this.#ends = ends;
    void this.#read();
  }

  /** Whether a connection is open, or being opened. */
  get isOpen() {
    return !this.#abort.signal.aborted && this.#timer === undefined;
  }

  stop() {
    clearTimeout(this.#timer);
    this.#watch.stop();
    this.#abort.abort();
  }

  /** Drops the connection, and comes back after `delay` ms. */
  reconnect(delay: number) {
    this.stop();
    this.#abort = new AbortController();
    this.#ends.ended(delay);
    this.#timer = setTimeout(() => void this.#read(), delay);
  }

  async #read() {
    this.#timer = undefined;
    const { signal } = this.#abort;
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (this.#cursor !== undefined) headers["Last-Event-ID"] = this.#cursor;
    this.#id = this.#cursor;
    this.#ends.request(this.#url, this.#cursor);
    this.#watch.start();
    let delay: number | undefined;
    try {
      const response = await fetch(this.#url, { headers, signal, cache: "no-store" });
      if (response.ok && response.body) {
        await this.#lines(response.body, signal);
        delay = pauseAsked(this.#retry);
      } else delay = await this.#refusal(response);
    } catch {
      delay = this.#backoff.failed();
    }
    if (signal.aborted) return;
    if (delay !== undefined) return this.reconnect(delay);
    this.stop();
    this.#ends.ended(undefined);
  }

  /** Shows why there is no stream, and tells when to ask again, if at all. */
  async #refusal(response: Response): Promise<number | undefined> {
    this.#ends.refused(response.status, await response.text());
    if (isFinal(response.status)) return undefined;
    const seconds = retryAfterSecs(response.headers);
    return seconds ? pauseAsked(seconds * 1_000) : this.#backoff.failed();
  }

  async #lines(body: ReadableStream<Uint8Array>, signal: AbortSignal) {
    const reader = body.getReader();
    const utf8 = new TextDecoder();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (signal.aborted) return;
      // A CR at the end may be the first half of a CRLF.
      const lines = (rest + utf8.decode(value, { stream: !done })).split(done ? /\r\n|\n|\r/ : /\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? "";
      for (const line of lines) this.#take(line);
      if (!done) continue;
      // Shown, but of no effect: a block that was cut is none.
      if (rest) this.#ends.line(rest);
      return;
    }
  }

  #take(line: string) {
    this.#backoff.succeeded();
    this.#watch.heard(Number(/^data: ?\{"cursor":.*"heartbeat_secs":(\d+)\}$/.exec(line)?.[1]));
    // The cursor is where the last whole block has left it.
    if (line === "") this.#cursor = this.#id;
    const id = /^id(?:: ?(.*))?$/.exec(line);
    if (id && !id[1]?.includes("\0")) this.#id = id[1] ?? "";
    const retry = /^retry: ?(\d+)$/.exec(line)?.[1];
    if (retry) this.#retry = Number(retry);
    this.#ends.line(line);
  }
}
