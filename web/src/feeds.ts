/** The subscriptions of this page, by feed, so that the wire panel can show and cut them. */
import { Refusal } from "./api.js";
import { isTokenRefused, type Badge } from "./badge.js";
import { localTime } from "./clock.js";
import type { Entry, Gap, Options, State, Subscription } from "./ssedge.js";
import { subscribe } from "./ssedge.js";
import { whatIsWrong } from "./strings.js";
import { onTokenChange, tokenRefused } from "./token.js";

export const FEEDS = ["stock", "chat", "events"] as const;
export type FeedName = (typeof FEEDS)[number];

/** A feed of the page: its subscription, and what the wire panel tells of it. */
export interface Feed {
  readonly url: string;
  readonly subscription: Subscription;
  /** Before the panel hears of a connection that broke. */
  quiet: ReturnType<typeof setTimeout> | undefined;
  /** Entries that the last resume found, older than itself. */
  found: number | undefined;
  /** Follows it anew, at its cursor. */
  again(): void;
}

interface Panel {
  readonly badge: Badge;
  onEntry(entry: Entry): void;
  onGap?(gap: Gap): void;
  onState?(state: State): void;
}

const feeds = new Map<FeedName, Feed>();
const listeners: ((name: FeedName) => void)[] = [];
const liveListeners: (() => void)[] = [];

/** A reconnect that is over sooner is nobody's business: on AWS each stream ends by plan once a minute. */
const QUIET_MS = 2_500;

export const feed = (name: FeedName) => feeds.get(name);
export const allFeeds = () => [...feeds.values()];
/** Called when a feed is live that was not. */
export const onLive = (listener: () => void) => void liveListeners.push(listener);
/** Called when a feed is chosen anew, or its state has changed. */
export const onFeedChange = (listener: (name: FeedName) => void) => void listeners.push(listener);

/** Follows a feed in place of the one of that name before it. */
export function follow(name: FeedName, url: string, panel: Panel, options: Pick<Options, "events" | "cursor"> = {}) {
  clearTimeout(feeds.get(name)?.quiet);
  feeds.get(name)?.subscription.close();
  let resumedAt = 0;
  let wasLive = options.cursor !== undefined;
  let isLive = false;
  /** When the connection broke that was live. */
  let lostAt = 0;
  const subscription = subscribe(url, {
    ...options,
    onEntry(entry) {
      const { time = "" } = JSON.parse(entry.data) as { time?: string };
      if (own.found !== undefined && (localTime(time) ?? Infinity) < resumedAt) own.found += 1;
      panel.onEntry(entry);
    },
    onGap(gap) {
      panel.badge.gap(gap);
      panel.onGap?.(gap);
    },
    onState(state) {
      if (feeds.get(name) !== own || (state.name === "closed" && state.reason === "unsubscribed")) return;
      if (state.name === "live" && !isLive) {
        if (wasLive) {
          own.found = 0;
          resumedAt = Date.now();
        }
        wasLive = true;
        tokenRefused();
        // The server is there: whoever waits need not.
        for (const other of allFeeds()) if (other !== own) other.subscription.hurry();
        for (const listener of liveListeners) listener();
      } else if (state.name !== "live" && isLive) lostAt = Date.now();
      isLive = state.name === "live";
      if (isTokenRefused(state)) tokenRefused(() => whatIsWrong(new Refusal(state.status, state)));
      show(state);
      for (const listener of listeners) listener(name);
    },
  });
  /** Tells the panel, of a reconnect only when it lasts. */
  function show(state: State) {
    clearTimeout(own.quiet);
    const isPassing = state.name === "connecting" || state.name === "reconnecting";
    const tellAt = lostAt + QUIET_MS;
    const willLast = state.name === "reconnecting" && (state.at ?? 0) > tellAt;
    if (isPassing && !willLast && Date.now() < tellAt) {
      own.quiet = setTimeout(() => show(state), tellAt - Date.now());
      return;
    }
    panel.badge.show(state);
    panel.onState?.(state);
  }
  const again = () => {
    const { cursor } = subscription;
    follow(name, url, panel, { ...options, ...(cursor !== undefined && { cursor }) });
  };
  const now = () => subscription.reconnect();
  const own: Feed = { quiet: undefined, url, subscription, found: undefined, again };
  if (options.cursor === undefined) panel.badge.gap(undefined);
  panel.badge.again = again;
  panel.badge.now = now;
  feeds.set(name, own);
  for (const listener of listeners) listener(name);
}

// Another token may open what was refused, and close what was open.
onTokenChange(() => allFeeds().forEach(({ again }) => again()));
