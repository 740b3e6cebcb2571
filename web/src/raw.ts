/** The raw lines of a stream, by `fetch`: `EventSource` keeps comments and `retry` to itself. */

export interface RawEnds {
  /** A line as it came, without its end. */
  line(text: string): void;
  /** A request is made, with this cursor. */
  request(url: string, cursor: string | undefined): void;
  /** The stream is over; the next request follows after so many ms. */
  ended(delay: number): void;
}

/** Where the server asked for nothing else. */
const RETRY_MS = 2_000;

/** Reads a stream again and again, resuming by `Last-Event-ID` as the specification has it, until it is stopped. */
export class RawReader {
  readonly #url: string;
  readonly #ends: RawEnds;
  #cursor: string | undefined;
  #retry = RETRY_MS;
  #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

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
    this.#ends.request(this.#url, this.#cursor);
    try {
      const { body } = await fetch(this.#url, { headers, signal, cache: "no-store" });
      if (body) await this.#lines(body, signal);
    } catch {
      // Cut: as good as ended.
    }
    if (!signal.aborted) this.reconnect(this.#retry);
  }

  async #lines(body: ReadableStream<Uint8Array>, signal: AbortSignal) {
    const reader = body.getReader();
    const utf8 = new TextDecoder();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done || signal.aborted) return;
      // A CR at the end may be the first half of a CRLF.
      const lines = (rest + utf8.decode(value, { stream: true })).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? "";
      for (const line of lines) this.#take(line);
    }
  }

  #take(line: string) {
    if (line.startsWith("id:")) this.#cursor = line.slice(3).trimStart();
    const retry = /^retry: ?(\d+)$/.exec(line)?.[1];
    if (retry) this.#retry = Number(retry);
    this.#ends.line(line);
  }
}
