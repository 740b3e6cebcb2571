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

export const feed = (name: FeedName) => feeds.get(name);
export const allFeeds = () => [...feeds.values()];
/** Called when a feed is chosen anew, or its state has changed. */
export const onFeedChange = (listener: (name: FeedName) => void) => void listeners.push(listener);

/** Follows a feed in place of the one of that name before it. */
export function follow(name: FeedName, url: string, panel: Panel, options: Pick<Options, "events" | "cursor"> = {}) {
  feeds.get(name)?.subscription.close();
  let resumedAt = 0;
  let wasLive = options.cursor !== undefined;
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
      if (state.name === "live" && wasLive) {
        own.found = 0;
        resumedAt = Date.now();
      }
      wasLive ||= state.name === "live";
      if (isTokenRefused(state)) tokenRefused(() => whatIsWrong(new Refusal(state.status, state)));
      else if (state.name === "live") tokenRefused();
      panel.badge.show(state);
      panel.onState?.(state);
      for (const listener of listeners) listener(name);
    },
  });
  const again = () => {
    const { cursor } = subscription;
    follow(name, url, panel, { ...options, ...(cursor !== undefined && { cursor }) });
  };
  const own: Feed = { url, subscription, found: undefined, again };
  if (options.cursor === undefined) panel.badge.gap(undefined);
  panel.badge.again = again;
  feeds.set(name, own);
  for (const listener of listeners) listener(name);
}

// Another token may open what was refused, and close what was open.
onTokenChange(() => allFeeds().forEach(({ again }) => again()));
