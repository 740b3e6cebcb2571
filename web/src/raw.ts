/** Reads the raw lines of a stream by `fetch`, since an `EventSource` does not show comments and `retry`. */
import { Backoff, isFinal, pauseAsked, REQUEST, retryAfterSecs } from "../../packages/client/src/retry.js";
import { Watch } from "../../packages/client/src/watch.js";

export interface RawCallbacks {
  /** A line came. `text` is without the end of the line. */
  line(text: string): void;
  /** A request is sent, with this cursor. */
  request(url: string, cursor: string | undefined): void;
  /** The answer is not a stream. */
  refused(status: number, body: string): void;
  /** The stream has ended. The next request is sent after `delay` ms; without `delay`, there is none. */
  ended(delay: number | undefined): void;
}

/** The pause after a stream that ended without having asked for one, in ms. */
const RETRY_MS = 2_000;

/**
 * Reads a stream again and again until it is stopped. Each request goes on at the cursor, which it sends as
 * `Last-Event-ID`.
 */
export class RawReader {
  readonly #url: string;
  readonly #callbacks: RawCallbacks;
  #cursor: string | undefined;
  /** The id of the event that is being read. It becomes the cursor when the event is complete. */
  #id: string | undefined;
  #retry = RETRY_MS;
  readonly #backoff = new Backoff(REQUEST);
  #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #watch = new Watch({ silent: () => {}, dead: () => this.reconnect(0) });

  constructor(url: string, cursor: string | undefined, callbacks: RawCallbacks) {
    this.#url = url;
    this.#cursor = cursor;
    this.#callbacks = callbacks;
    void this.#read();
  }

  /** Whether a connection is open or is being opened. */
  get isOpen() {
    return !this.#abort.signal.aborted && this.#timer === undefined;
  }

  stop() {
    clearTimeout(this.#timer);
    this.#watch.stop();
    this.#abort.abort();
  }

  /** Drops the connection, and opens a new one after `delay` ms. */
  reconnect(delay: number) {
    this.stop();
    this.#abort = new AbortController();
    this.#callbacks.ended(delay);
    this.#timer = setTimeout(() => void this.#read(), delay);
  }

  async #read() {
    this.#timer = undefined;
    const { signal } = this.#abort;
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (this.#cursor !== undefined) headers["Last-Event-ID"] = this.#cursor;
    this.#id = this.#cursor;
    this.#callbacks.request(this.#url, this.#cursor);
    this.#watch.start();
    let delay: number | undefined;
    try {
      const response = await fetch(this.#url, { headers, signal, cache: "no-store" });
      if (response.ok && response.body) {
        await this.#readLines(response.body, signal);
        delay = pauseAsked(this.#retry);
      } else delay = await this.#refusal(response);
    } catch {
      delay = this.#backoff.failed();
    }
    if (signal.aborted) return;
    if (delay !== undefined) return this.reconnect(delay);
    this.stop();
    this.#callbacks.ended(undefined);
  }

  /** Reports why there is no stream. Returns after how many ms to ask again; `undefined`: not at all. */
  async #refusal(response: Response): Promise<number | undefined> {
    this.#callbacks.refused(response.status, await response.text());
    if (isFinal(response.status)) return undefined;
    const seconds = retryAfterSecs(response.headers);
    return seconds ? pauseAsked(seconds * 1_000) : this.#backoff.failed();
  }

  async #readLines(body: ReadableStream<Uint8Array>, signal: AbortSignal) {
    const reader = body.getReader();
    const utf8 = new TextDecoder();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (signal.aborted) return;
      // A CR at the end of the text may be the first half of a CRLF, whose LF has not come yet.
      const lines = (rest + utf8.decode(value, { stream: !done })).split(done ? /\r\n|\n|\r/ : /\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? "";
      for (const line of lines) this.#handleLine(line);
      if (!done) continue;
      // The stream ended within a line. The line is shown, but has no effect, since its event is not complete.
      if (rest) this.#callbacks.line(rest);
      return;
    }
  }

  #handleLine(line: string) {
    this.#backoff.succeeded();
    this.#watch.heard(Number(/^data: ?\{"cursor":.*"heartbeat_secs":(\d+)\}$/.exec(line)?.[1]));
    // An empty line completes an event.
    if (line === "") this.#cursor = this.#id;
    const id = /^id(?:: ?(.*))?$/.exec(line);
    if (id && !id[1]?.includes("\0")) this.#id = id[1] ?? "";
    const retry = /^retry: ?(\d+)$/.exec(line)?.[1];
    if (retry) this.#retry = Number(retry);
    this.#callbacks.line(line);
  }
}
