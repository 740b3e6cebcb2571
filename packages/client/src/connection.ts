/**
 * The connection of one tab: one native `EventSource` at a time, and the pauses between two.
 *
 * When a connection breaks, the browser first tries again by itself. It knows the `retry` that the server asked for,
 * and sends `Last-Event-ID`. If that fails too, this module makes the next attempt, after a pause (`retry.ts`).
 * It also does so when the browser gives up, which it does on every status but 200.
 *
 * A connection on which nothing comes any more, not even a heartbeat, is dropped and opened anew (`watch.ts`).
 *
 * An `EventSource` does not say on which status it gave up. So this module asks the same URL once more, for JSON. If
 * the answer is a refusal that another attempt would get too, the subscription ends with the reason that the server
 * gives. It also ends if the answer says that the channel has ended (`end.ts`). If the server is only too busy, the next attempt is made when the server says.
 */
import { endOfAnswer } from "./end.js";
import { atCursor } from "./position.js";
import { membersIn, membersOf, text } from "./problem.js";
import { Backoff, isFinal, pauseAsked, pauseWhenFull, REQUEST, retryAfterSecs } from "./retry.js";
import type { Item, Options, State } from "./types.js";
import { Watch } from "./watch.js";

/**
 * When the token of a stream expires sooner than this after the stream began, the next attempt is made after a pause.
 */
const BRIEF_MS = 1_000;
/**
 * How long the browser may take to connect again. It first waits for the `retry` of the server, and does not report for
 * how long. After this time, this module makes the next attempt.
 */
const BROWSER_RETRY_MS = 90_000;
/** How long the server may take to say why it refused a stream. */
const REASON_MS = 10_000;
/** Event types of the protocol. The first event of every stream is a `cursor` or a `gap`. */
const PROTOCOL = ["cursor", "gap", "end", "expired"] as const;

export interface ConnectionCallbacks {
  /** The id after which to go on; `undefined` if the feed is to start as its URL says. */
  cursor(): string | undefined;
  item(item: Item): void;
  state(state: State): void;
}

/** Why a pause is made, when the server said it. */
type PauseReason = (State & { name: "reconnecting" })["reason"];

export class Connection {
  readonly #feed: URL;
  readonly #options: Options;
  readonly #callbacks: ConnectionCallbacks;
  #source: EventSource | undefined;
  #asking: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #backoff = new Backoff(REQUEST);
  #wasLive = false;
  #phase: "opening" | "open" | "live" = "opening";
  /** Whether this module chose the pause that is under way, and not the server or a caller. */
  #isOwnPause = false;
  readonly #watch = new Watch({
    silent: (silentSince) => this.#callbacks.state({ name: "live", silentSince }),
    dead: () => this.#pause(this.#phase === "live" ? 0 : this.#backoff.failed()),
  });

  constructor(feed: URL, options: Options, callbacks: ConnectionCallbacks) {
    this.#feed = feed;
    this.#options = options;
    this.#callbacks = callbacks;
  }

  /** Connects at the cursor. */
  open() {
    this.close();
    this.#callbacks.state({ name: this.#wasLive || this.#backoff.hasFailed ? "reconnecting" : "connecting" });
    const source = new EventSource(atCursor(this.#feed, this.#callbacks.cursor()), { withCredentials: this.#options.withCredentials ?? false });
    this.#source = source;
    this.#phase = "opening";
    this.#watch.start();
    let liveSince = 0;
    // Publishers choose the types of their events, so a message may have the type `open` or `error`, too.
    source.onopen = (event) => {
      if (!(event instanceof MessageEvent)) this.#phase = "open";
    };
    source.onerror = (event) => {
      if (event instanceof MessageEvent) return;
      const previous = this.#phase;
      this.#phase = "opening";
      if (source.readyState === EventSource.CLOSED) void this.#askReason();
      // The browser makes one attempt by itself, after the `retry` that the server asked for.
      else if (previous === "live") {
        this.#watch.start(BROWSER_RETRY_MS);
        this.#callbacks.state({ name: "reconnecting" });
      }
      // A server that has no room gives a browser a stream without any event.
      else if (previous === "open") this.reconnect(pauseWhenFull(), "full");
      else this.#pause(this.#backoff.failed());
    };
    const listen = (event: Event) => {
      if (this.#source !== source || !(event instanceof MessageEvent)) return;
      const { type, data, lastEventId } = event as MessageEvent<string>;
      const wasSilent = this.#watch.heard(isProtocol(type) ? membersIn(data).heartbeat_secs : undefined);
      if (this.#phase !== "live" || wasSilent) {
        this.#phase = "live";
        if (!wasSilent) liveSince = Date.now();
        this.#wasLive = true;
        this.#backoff.succeeded();
        this.#callbacks.state({ name: "live" });
      }
      // If the cookie has a new token by now, the next stream goes on at the cursor. If not, the server refuses it.
      if (type === "expired") this.#pause(Date.now() - liveSince < BRIEF_MS ? this.#backoff.failed() : 0);
      else this.#callbacks.item({ id: lastEventId, event: type, data });
    };
    for (const name of new Set(["message", ...PROTOCOL, ...(this.#options.events ?? [])])) {
      source.addEventListener(name, listen);
    }
  }

  /** Drops the connection, and opens another after `delay` ms. */
  reconnect(delay: number, reason?: PauseReason) {
    this.close();
    this.#timer = setTimeout(() => this.open(), delay);
    this.#callbacks.state({ name: "reconnecting", at: Date.now() + delay, ...(reason && { reason }) });
  }

  #pause(backoff: number) {
    this.reconnect(backoff);
    this.#isOwnPause = true;
  }

  /** Ends the pause that is under way, if this module chose it: the network or the server seems to be back. */
  hurry() {
    if (this.#isOwnPause) this.open();
  }

  close() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isOwnPause = false;
    this.#watch.stop();
    this.#source?.close();
    this.#source = undefined;
    this.#asking?.abort();
    this.#asking = undefined;
  }

  /** The browser gave up: asks the server why, and does what the answer says. */
  async #askReason() {
    this.close();
    this.#callbacks.state({ name: "reconnecting" });
    const asking = (this.#asking = new AbortController());
    const timeout = setTimeout(() => asking.abort(), REASON_MS);
    const credentials = this.#options.withCredentials ? "include" : "same-origin";
    const request = { headers: { Accept: "application/json" }, credentials, cache: "no-store", signal: asking.signal } as const;
    const answer = await fetch(atCursor(this.#feed, this.#callbacks.cursor()), request).catch(() => undefined);
    const status = answer?.status ?? 0;
    const members = answer ? await membersOf(answer) : {};
    clearTimeout(timeout);
    // This connection was closed or opened anew while the question was under way.
    if (this.#asking !== asking) return;
    this.#asking = undefined;
    const end = endOfAnswer(status, members);
    if (end) return this.#callbacks.state({ name: "closed", reason: "ended", end });
    if (isFinal(status)) {
      const [type, detail] = [text(members.type) ?? "", text(members.detail) ?? ""];
      return this.#callbacks.state({ name: "closed", reason: "refused", status, type, detail });
    }
    const seconds = answer && retryAfterSecs(answer.headers);
    const asked = seconds && pauseAsked(seconds * 1_000);
    if (status === 429) this.reconnect(asked ?? pauseWhenFull(), "full");
    else if (status === 503) this.reconnect(asked ?? this.#backoff.failed(), "unavailable");
    else this.#pause(this.#backoff.failed());
  }
}

const isProtocol = (type: string) => (PROTOCOL as readonly string[]).includes(type);
