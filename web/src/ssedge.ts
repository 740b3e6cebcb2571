/**
 * ssedge: follows a feed of Server-Sent Events so that nothing is missed and nothing comes twice.
 *
 * It is a native `EventSource`, and what one lacks: it comes back when the browser has given up or the connection is
 * dead, resumes at a cursor of your own, frees its connection while the page is in the background, and shares one among
 * the tabs of an origin (browsers open six per origin over HTTP/1.1). Copy this file and the other `ssedge-*.ts`.
 *
 * ```ts
 * const room = subscribe("/api/chat/lobby?history=50", {
 *   onEntry: ({ data }) => show(JSON.parse(data)),
 *   onGap: ({ reason }) => note(`some messages are gone: ${reason}`),
 *   onState: (state) => badge(state.name),
 * });
 * // later
 * room.close();
 * ```
 *
 * States, as `onState` tells them:
 *
 * ```text
 *  connecting ──▶ live ──▶ reconnecting ──▶ live …      the connection broke, and something comes back by itself
 *       │                       ▲ │
 *       └───────────────────────┘ └─ `at` is known when this module waits, not when the browser does
 *  any ──▶ paused ──▶ connecting                         the page is in the background, and comes back
 *  any ──▶ closed                                        for good: unsubscribed, or refused by the server
 * ```
 *
 * A connection that broke is first left to the browser, which knows the `retry` that the server asked for. If that
 * fails, or the browser gives up (it does on every status but 200), this module tries again with growing, random
 * pauses; unless the server refuses the request as such (a bad token, no such feed), which it says once, with the
 * reason. When the token of an open stream expires, the feed goes on at its cursor if the cookie has been renewed.
 */
import { Connection } from "./ssedge-connection.js";
import { Expected } from "./ssedge-expected.js";
import { Tabs } from "./ssedge-tabs.js";
import type { Closed, Item, Options, Role, State, Subscription } from "./ssedge-types.js";

export type { Closed, Entry, Gap, Options, Role, State, Subscription } from "./ssedge-types.js";

/** Follows `feed`, a URL, until it is closed. The callbacks are called in order, never before this returns. */
export function subscribe(feed: string | URL, options: Options): Subscription {
  return new Reader(new URL(feed, globalThis.location?.href), options);
}

/** A tab that is looked away from for less than this keeps its connection. */
const HIDDEN_MS = 2_000;
/** The newest entries since the last id that are remembered: twice what a server sends under one id, 500 quotes. */
const SEEN_MAX = 1_000;

class Reader implements Subscription {
  cursor: string | undefined;
  state: State = { name: "connecting" };
  role: Role = "alone";
  reconnects = -1;
  readonly #options: Options;
  readonly #connection: Connection;
  readonly #tabs: Tabs | undefined;
  readonly #listeners = new AbortController();
  /** Entries without an id of their own since the last id: after a cut they may be sent again. */
  readonly #seen = new Set<string>();
  readonly #expected = new Expected(() => this.state.name === "live" && this.reconnect());
  #hidden: ReturnType<typeof setTimeout> | undefined;

  constructor(feed: URL, options: Options) {
    this.#options = options;
    this.cursor = options.cursor;
    this.#connection = new Connection(feed, options, {
      cursor: () => this.cursor,
      item: (item) => (this.#tabs ? this.#tabs.received(item) : this.#apply(item)),
      state: (state) => (this.#tabs ? this.#tabs.changed(state) : this.#show(state)),
    });
    if (options.share !== false && Tabs.supported) {
      this.#tabs = new Tabs(`ssedge ${feed.href} ${options.events?.join() ?? ""}`, {
        cursor: () => this.cursor,
        open: () => this.#connection.open(),
        close: () => this.#connection.close(),
        reconnect: (delay) => this.#connection.reconnect(delay),
        item: (item) => this.#apply(item),
        state: (state) => this.#show(state),
        role: (role) => (this.role = role),
      });
    }
    this.#listen();
    queueMicrotask(() => (document.visibilityState === "hidden" ? this.#pause() : this.#start()));
  }

  reconnect(delay = 0) {
    if (this.state.name === "paused" || this.state.name === "closed") return;
    (this.#tabs ?? this.#connection).reconnect(delay);
  }

  hurry() {
    this.#connection.hurry();
  }

  expect(id: string) {
    if (this.state.name !== "closed") this.#expected.add(id);
  }

  close() {
    this.#end({ name: "closed", reason: "unsubscribed" });
  }

  /** The background: no connection for a page that nobody sees, and none in the way of the back/forward cache. */
  #listen() {
    const { signal } = this.#listeners;
    const on = (target: EventTarget, type: string, listener: () => void) =>
      target.addEventListener(type, listener, { signal });
    on(document, "visibilitychange", () => {
      clearTimeout(this.#hidden);
      if (document.visibilityState === "visible") this.#start();
      else this.#hidden = setTimeout(() => this.#pause(), HIDDEN_MS);
    });
    on(globalThis, "pagehide", () => this.#pause());
    on(globalThis, "pageshow", () => document.visibilityState === "visible" && this.#start());
    on(globalThis, "online", () => this.hurry());
    if (this.#options.signal?.aborted) queueMicrotask(() => this.close());
    else if (this.#options.signal) on(this.#options.signal, "abort", () => this.close());
  }

  #running = false;

  #start() {
    if (this.#running || this.state.name === "closed") return;
    this.#running = true;
    this.#show({ name: "connecting" });
    if (this.#tabs) this.#tabs.start();
    else this.#connection.open();
  }

  #stop() {
    this.#running = false;
    this.#tabs?.stop();
    this.#connection.close();
  }

  #pause() {
    clearTimeout(this.#hidden);
    if (this.state.name === "closed" || this.state.name === "paused") return;
    this.#stop();
    this.#show({ name: "paused" });
  }

  #end(state: Closed) {
    if (this.state.name === "closed") return;
    clearTimeout(this.#hidden);
    this.#listeners.abort();
    this.#expected.clear();
    this.#stop();
    this.state = state;
    this.#options.onState?.(state);
  }

  #show(state: State) {
    if (state.name === "closed") return this.#end(state);
    // What was on its way from another tab when this one paused.
    if (state.name !== "paused" && !this.#running) return;
    if (state.name === "live" && this.state.name !== "live") this.reconnects += 1;
    this.state = state;
    this.#options.onState?.(state);
  }

  /** The one way of an item to the page, whichever way it came to this tab. */
  #apply(item: Item) {
    const key = `${item.event}\n${item.data}`;
    if (item.id !== this.cursor) this.#seen.clear();
    else if (this.#seen.has(key)) return;
    else this.#seen.add(key);
    const [oldest] = this.#seen;
    if (oldest !== undefined && this.#seen.size > SEEN_MAX) this.#seen.delete(oldest);
    this.cursor = item.id;
    this.#expected.came(item.id);
    if (item.event === "gap") {
      const { reason, requested } = JSON.parse(item.data) as { reason: string; requested: string };
      this.#options.onGap?.({ reason, requested, resumesAfter: item.id });
    } else if (item.event !== "cursor") this.#options.onEntry(item);
  }
}
