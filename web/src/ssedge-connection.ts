/**
 * One connection of one tab: a native `EventSource` at a time, and the pauses between them.
 *
 * What the browser does by itself is left to it: it comes back after a connection that broke, after the `retry` that
 * the server asked for, with `Last-Event-ID`. When that fails too, or when the browser has given up, which it does on
 * every status but 200, the next attempt is made here, after a pause that grows and is random, so that a fleet of
 * readers does not come back in one wave.
 */
import type { Item } from "./ssedge-tabs.js";
import type { Options, State } from "./ssedge.js";

/** First and longest pause before another attempt; each is random below a bound that doubles. */
const BACKOFF_MS = [1_000, 30_000] as const;
/** Event types of the protocol itself. */
const PROTOCOL = ["cursor", "gap", "expired"] as const;

/** What a connection asks and tells. */
export interface Ends {
  cursor(): string | undefined;
  item(item: Item): void;
  state(state: State): void;
}

export class Connection {
  readonly #feed: URL;
  readonly #options: Options;
  readonly #ends: Ends;
  #source: EventSource | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #wasLive = false;

  constructor(feed: URL, options: Options, ends: Ends) {
    this.#feed = feed;
    this.#options = options;
    this.#ends = ends;
  }

  /** Connects at the cursor. */
  open() {
    this.close();
    const url = new URL(this.#feed);
    const cursor = this.#ends.cursor();
    if (cursor !== undefined) url.searchParams.set("lastEventId", cursor);
    this.#ends.state({ name: this.#wasLive || this.#failures > 0 ? "reconnecting" : "connecting" });
    const source = new EventSource(url, { withCredentials: this.#options.withCredentials ?? false });
    this.#source = source;
    let isOpen = false;
    source.onopen = () => {
      isOpen = this.#wasLive = true;
      this.#failures = 0;
      this.#ends.state({ name: "live" });
    };
    source.onerror = () => {
      // The browser comes back once by itself, after the `retry` that the server asked for.
      const leave = isOpen && source.readyState === EventSource.CONNECTING;
      isOpen = false;
      if (leave) this.#ends.state({ name: "reconnecting" });
      else this.reconnect(this.#backoff());
    };
    const listen = ({ type, data, lastEventId }: MessageEvent<string>) =>
      this.#source === source && this.#ends.item({ id: lastEventId, event: type, data });
    for (const name of ["message", ...PROTOCOL, ...(this.#options.events ?? [])]) {
      source.addEventListener(name, listen);
    }
  }

  /** Drops the connection, and opens another after `delay` ms. */
  reconnect(delay: number) {
    this.close();
    this.#timer = setTimeout(() => this.open(), delay);
    this.#ends.state({ name: "reconnecting", at: Date.now() + delay });
  }

  /** Ends a pause: the network is back. */
  hurry() {
    if (this.#timer !== undefined) this.open();
  }

  close() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#source?.close();
    this.#source = undefined;
  }

  #backoff() {
    const [first, longest] = BACKOFF_MS;
    const bound = Math.min(longest, first * 2 ** this.#failures);
    this.#failures += 1;
    return bound * (0.2 + 0.8 * Math.random());
  }
}
