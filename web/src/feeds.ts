/** The subscriptions of this page, one for each feed. The wire panel shows them and cuts their connections. */
import type { Entry, Gap, Options, State, Subscription } from "../../packages/client/src/index.js";
import { subscribe } from "../../packages/client/src/index.js";
import { Refusal } from "./api.js";
import { isTokenRefused, type Badge } from "./badge.js";
import { localTime } from "./clock.js";
import { refusalText } from "./strings.js";
import { onTokenChange, tokenRefused } from "./token.js";

export const FEEDS = ["stock", "chat", "events"] as const;
export type FeedName = (typeof FEEDS)[number];

/** A feed of the page: its subscription, and what the wire panel shows of it. */
export interface Feed {
  readonly url: string;
  readonly subscription: Subscription;
  /** When it fires, the panel shows that the connection broke. */
  brokenTimer: ReturnType<typeof setTimeout> | undefined;
  /** How many entries the last resume brought that are older than the resume. `undefined`: there was no resume yet. */
  foundByResume: number | undefined;
  /** Subscribes to it again, at its cursor. */
  followAgain(): void;
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

/** A reconnect that takes less than this is not shown: on AWS each stream ends as planned once a minute. */
const BRIEF_RECONNECT_MS = 2_500;

export const feed = (name: FeedName) => feeds.get(name);
export const allFeeds = () => [...feeds.values()];
/** `listener` is called when a feed becomes live. */
export const onLive = (listener: () => void) => void liveListeners.push(listener);
/** `listener` is called when a panel follows another feed, or when the state of a feed changes. */
export const onFeedChange = (listener: (name: FeedName) => void) => void listeners.push(listener);

/** Follows a feed. It takes the place of the feed that had this name before. */
export function follow(name: FeedName, url: string, panel: Panel, options: Pick<Options, "events" | "cursor"> = {}) {
  clearTimeout(feeds.get(name)?.brokenTimer);
  feeds.get(name)?.subscription.close();
  let resumedAt = 0;
  let wasLive = options.cursor !== undefined;
  let isLive = false;
  /** When the last live connection broke. */
  let lostAt = 0;
  const subscription = subscribe(url, {
    ...options,
    onEntry(entry) {
      const { time = "" } = JSON.parse(entry.data) as { time?: string };
      if (own.foundByResume !== undefined && (localTime(time) ?? Infinity) < resumedAt) own.foundByResume += 1;
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
          own.foundByResume = 0;
          resumedAt = Date.now();
        }
        wasLive = true;
        tokenRefused();
        // The server can be reached, so the other feeds need not wait any longer.
        for (const other of allFeeds()) if (other !== own) other.subscription.hurry();
        for (const listener of liveListeners) listener();
      } else if (state.name !== "live" && isLive) lostAt = Date.now();
      isLive = state.name === "live";
      if (isTokenRefused(state)) tokenRefused(() => refusalText(new Refusal(state.status, state)));
      show(state);
      for (const listener of listeners) listener(name);
    },
  });
  /** Shows the state in the panel. A reconnect is shown only when it takes long. */
  function show(state: State) {
    clearTimeout(own.brokenTimer);
    const isReconnect = state.name === "connecting" || state.name === "reconnecting";
    const showAt = lostAt + BRIEF_RECONNECT_MS;
    const willLast = state.name === "reconnecting" && (state.at ?? 0) > showAt;
    if (isReconnect && !willLast && Date.now() < showAt) {
      own.brokenTimer = setTimeout(() => show(state), showAt - Date.now());
      return;
    }
    panel.badge.show(state);
    panel.onState?.(state);
  }
  const followAgain = () => {
    const { cursor } = subscription;
    follow(name, url, panel, { ...options, ...(cursor !== undefined && { cursor }) });
  };
  const reconnectNow = () => subscription.reconnect();
  const own: Feed = { brokenTimer: undefined, url, subscription, foundByResume: undefined, followAgain };
  if (options.cursor === undefined) panel.badge.gap(undefined);
  panel.badge.followAgain = followAgain;
  panel.badge.reconnectNow = reconnectNow;
  feeds.set(name, own);
  for (const listener of listeners) listener(name);
}

// With another token, the server may accept what it refused, and refuse what it accepted.
onTokenChange(() => allFeeds().forEach(({ followAgain }) => followAgain()));
