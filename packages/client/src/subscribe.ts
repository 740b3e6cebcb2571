/**
 * Follows a feed of Server-Sent Events so that nothing is missed and nothing comes twice.
 *
 * It uses a native `EventSource` and adds what that lacks. It tries again when the browser has given up or the
 * connection is dead. It can start at a cursor that you kept. It frees its connection while the page is in the
 * background. And the tabs of an origin share one connection, since a browser opens only six per origin over HTTP/1.1.
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
 *  connecting ──▶ live ──▶ reconnecting ──▶ live …      the connection broke, and is opened anew
 *       │                       ▲ │
 *       └───────────────────────┘ └─ has `at` when this module makes the next attempt, not the browser
 *  any ──▶ paused ──▶ connecting                         the page went into the background, and came back
 *  any ──▶ closed                                        for good: unsubscribed, ended, or refused by the server
 * ```
 *
 * When a connection breaks, the browser tries again first: it knows the `retry` that the server asked for. If that
 * fails, or if the browser gives up (it does on every status but 200), this module tries again, after random pauses
 * that grow. If the server refuses the request for good (a bad token, no such feed), the state becomes `closed`, with
 * the reason. If the channel was closed, `onEnd` is called after its last entry, and the state becomes `closed`, too.
 * When the token of an open stream expires, the feed goes on at its cursor if the cookie has a new token.
 */
import { Connection } from "./connection.js";
import { endOfEvent } from "./end.js";
import { Expected } from "./expected.js";
import { gapOf, Position } from "./position.js";
import { Tabs } from "./tabs.js";
import type { Closed, Item, Options, Role, State, Subscription } from "./types.js";

/** Follows `feed`, a URL, until it is closed. Callbacks are called in order, and none before this function returns. */
export function subscribe(feed: string | URL, options: Options): Subscription {
  return new Reader(new URL(feed, globalThis.location?.href), options);
}

/** A tab that is in the background for less than this keeps its connection. */
const HIDDEN_MS = 2_000;

class Reader implements Subscription {
  state: State = { name: "connecting" };
  role: Role = "alone";
  reconnects = -1;
  readonly #options: Options;
  readonly #connection: Connection;
  readonly #tabs: Tabs | undefined;
  readonly #listeners = new AbortController();
  readonly #position: Position;
  readonly #expected = new Expected(() => this.state.name === "live" && this.reconnect());
  #hiddenTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(feed: URL, options: Options) {
    this.#options = options;
    this.#position = new Position(options.cursor);
    this.#connection = new Connection(feed, options, {
      cursor: () => this.cursor,
      item: (item) => (this.#tabs ? this.#tabs.itemReceived(item) : this.#deliver(item)),
      state: (state) => (this.#tabs ? this.#tabs.stateChanged(state) : this.#setState(state)),
    });
    if (options.share !== false && Tabs.supported) {
      this.#tabs = new Tabs(`ssedge ${feed.href} ${options.events?.join() ?? ""}`, {
        cursor: () => this.cursor,
        open: () => this.#connection.open(),
        close: () => this.#connection.close(),
        reconnect: (delay) => this.#connection.reconnect(delay),
        item: (item) => this.#deliver(item),
        state: (state) => this.#setState(state),
        role: (role) => (this.role = role),
      });
    }
    this.#listen();
    queueMicrotask(() => (document.visibilityState === "hidden" ? this.#pause() : this.#start()));
  }

  get cursor() {
    return this.#position.cursor;
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

  /**
   * Drops the connection of a page that nobody sees, which also lets the browser keep the page in its back/forward
   * cache.
   */
  #listen() {
    const { signal } = this.#listeners;
    const on = (target: EventTarget, type: string, listener: () => void) =>
      target.addEventListener(type, listener, { signal });
    on(document, "visibilitychange", () => {
      clearTimeout(this.#hiddenTimer);
      if (document.visibilityState === "visible") this.#start();
      else this.#hiddenTimer = setTimeout(() => this.#pause(), HIDDEN_MS);
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
    this.#setState({ name: "connecting" });
    if (this.#tabs) this.#tabs.start();
    else this.#connection.open();
  }

  #stop(hasEnded = false) {
    this.#running = false;
    this.#tabs?.stop(hasEnded);
    this.#connection.close();
  }

  #pause() {
    clearTimeout(this.#hiddenTimer);
    if (this.state.name === "closed" || this.state.name === "paused") return;
    this.#stop();
    this.#setState({ name: "paused" });
  }

  #end(state: Closed) {
    if (this.state.name === "closed") return;
    clearTimeout(this.#hiddenTimer);
    this.#listeners.abort();
    this.#expected.clear();
    this.#stop(state.reason === "ended");
    this.state = state;
    if (state.reason === "ended") this.#options.onEnd?.(state.end);
    this.#options.onState?.(state);
  }

  #setState(state: State) {
    if (state.name === "closed") return this.#end(state);
    // This one was on its way from another tab when this tab paused.
    if (state.name !== "paused" && !this.#running) return;
    if (state.name === "live" && this.state.name !== "live") this.reconnects += 1;
    this.state = state;
    this.#options.onState?.(state);
  }

  /** Hands an item to the page, whether this tab's connection or another tab brought it. Each is handed over once. */
  #deliver(item: Item) {
    if (!this.#position.reach(item)) return;
    this.#expected.arrived(item.id);
    if (item.event === "gap") {
      this.#options.onGap?.(gapOf(item));
    } else if (item.event === "end") this.#end({ name: "closed", reason: "ended", end: endOfEvent(item.data) });
    else if (item.event !== "cursor") this.#options.onEntry(item);
  }
}
