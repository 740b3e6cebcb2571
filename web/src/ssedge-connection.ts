/**
 * One connection of one tab: a native `EventSource` at a time, and the pauses between them.
 *
 * What the browser does by itself is left to it: it comes back after a connection that broke, after the `retry` that
 * the server asked for, with `Last-Event-ID`. When that fails too, or when the browser has given up, which it does on
 * every status but 200, the next attempt is made here, after a pause that grows and is random, so that a fleet of
 * readers does not come back in one wave.
 *
 * A connection on which nothing comes, not even the heartbeat, is dropped and opened anew at the cursor
 * (`ssedge-watch.ts`).
 *
 * `EventSource` does not tell on what status it gave up, so the same URL is asked once more, for JSON: what the server
 * refuses for good ends the subscription with the server's reason, and what it is only too busy for waits as long as
 * the server says.
 */
import { Backoff, isFinal, pauseAsked, pauseWhenFull, REQUEST, retryAfterSecs } from "./ssedge-retry.js";
import type { Item, Options, State } from "./ssedge-types.js";
import { Watch } from "./ssedge-watch.js";

/** A connection that expires sooner than this is not opened again at once. */
const BRIEF_MS = 1_000;
/** The longest `retry` of a server that is left to the browser, with its spread: nobody tells that it waits for it. */
const RETRY_MS = 90_000;
/** How long the answer to the question for a reason may take. */
const ASK_MS = 10_000;
/** Event types of the protocol itself. The first event of every stream is one of the first two. */
const PROTOCOL = ["cursor", "gap", "expired"] as const;

/** What a connection asks and tells. */
export interface Ends {
  cursor(): string | undefined;
  item(item: Item): void;
  state(state: State): void;
}

type Why = (State & { name: "reconnecting" })["reason"];

export class Connection {
  readonly #feed: URL;
  readonly #options: Options;
  readonly #ends: Ends;
  #source: EventSource | undefined;
  #asking: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #backoff = new Backoff(REQUEST);
  #wasLive = false;
  #phase: "opening" | "open" | "live" = "opening";
  /** Whether the pause of now is one that this module has chosen. */
  #isBackoff = false;
  readonly #watch = new Watch({
    silent: (silentSince) => this.#ends.state({ name: "live", silentSince }),
    dead: () => this.#reconnectAfter(this.#phase === "live" ? 0 : this.#backoff.failed()),
  });

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
    this.#ends.state({ name: this.#wasLive || this.#backoff.hasFailed ? "reconnecting" : "connecting" });
    const source = new EventSource(url, { withCredentials: this.#options.withCredentials ?? false });
    this.#source = source;
    this.#phase = "opening";
    this.#watch.start();
    let liveSince = 0;
    // Names of events are the publishers' to choose: `open` and `error` may be messages, too.
    source.onopen = (event) => {
      if (!(event instanceof MessageEvent)) this.#phase = "open";
    };
    source.onerror = (event) => {
      if (event instanceof MessageEvent) return;
      const was = this.#phase;
      this.#phase = "opening";
      if (source.readyState === EventSource.CLOSED) void this.#ask(url);
      // The browser comes back once by itself, after the `retry` that the server asked for.
      else if (was === "live") {
        this.#watch.start(RETRY_MS);
        this.#ends.state({ name: "reconnecting" });
      }
      // A stream without any event is how a server that has no room answers a browser.
      else if (was === "open") this.reconnect(pauseWhenFull(), "full");
      else this.#reconnectAfter(this.#backoff.failed());
    };
    const listen = (event: Event) => {
      if (this.#source !== source || !(event instanceof MessageEvent)) return;
      const { type, data, lastEventId } = event as MessageEvent<string>;
      const wasSilent = this.#watch.heard(isProtocol(type) ? heartbeat(data) : undefined);
      if (this.#phase !== "live" || wasSilent) {
        this.#phase = "live";
        if (!wasSilent) liveSince = Date.now();
        this.#wasLive = true;
        this.#backoff.succeeded();
        this.#ends.state({ name: "live" });
      }
      // With a cookie that was renewed it goes on at the cursor; without, the server says why not.
      if (type === "expired") this.#reconnectAfter(Date.now() - liveSince < BRIEF_MS ? this.#backoff.failed() : 0);
      else this.#ends.item({ id: lastEventId, event: type, data });
    };
    for (const name of new Set(["message", ...PROTOCOL, ...(this.#options.events ?? [])])) {
      source.addEventListener(name, listen);
    }
  }

  /** Drops the connection, and opens another after `delay` ms. */
  reconnect(delay: number, reason?: Why) {
    this.close();
    this.#timer = setTimeout(() => this.open(), delay);
    this.#ends.state({ name: "reconnecting", at: Date.now() + delay, ...(reason && { reason }) });
  }

  #reconnectAfter(backoff: number) {
    this.reconnect(backoff);
    this.#isBackoff = true;
  }

  /** Ends a pause that nobody asked for: the network or the server is back. */
  hurry() {
    if (this.#isBackoff) this.open();
  }

  close() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isBackoff = false;
    this.#watch.stop();
    this.#source?.close();
    this.#source = undefined;
    this.#asking?.abort();
    this.#asking = undefined;
  }

  /** Asks why the browser was refused, and does as the answer says. */
  async #ask(url: URL) {
    this.close();
    this.#ends.state({ name: "reconnecting" });
    const asking = (this.#asking = new AbortController());
    const timeout = setTimeout(() => asking.abort(), ASK_MS);
    const credentials = this.#options.withCredentials ? "include" : "same-origin";
    const request = { headers: { Accept: "application/json" }, credentials, cache: "no-store", signal: asking.signal } as const;
    const answer = await fetch(url, request).catch(() => undefined);
    const status = answer?.status ?? 0;
    const problem: unknown = isFinal(status) ? await answer?.json().catch(() => undefined) : await answer?.body?.cancel();
    clearTimeout(timeout);
    // Closed meanwhile.
    if (this.#asking !== asking) return;
    this.#asking = undefined;
    if (isFinal(status)) {
      const { type, detail } = (problem ?? {}) as { type?: unknown; detail?: unknown };
      this.#ends.state({ name: "closed", reason: "refused", status, type: text(type), detail: text(detail) });
      return;
    }
    const seconds = answer && retryAfterSecs(answer.headers);
    const asked = seconds && pauseAsked(seconds * 1_000);
    if (status === 429) this.reconnect(asked ?? pauseWhenFull(), "full");
    else if (status === 503) this.reconnect(asked ?? this.#backoff.failed(), "unavailable");
    else this.#reconnectAfter(this.#backoff.failed());
  }
}

const isProtocol = (type: string) => (PROTOCOL as readonly string[]).includes(type);

/** The heartbeat that a block of the protocol tells, in seconds. */
function heartbeat(data: string): unknown {
  try {
    return (JSON.parse(data) as { heartbeat_secs?: unknown } | null)?.heartbeat_secs;
  } catch {
    return undefined;
  }
}

const text = (value: unknown) => (typeof value === "string" ? value : "");
