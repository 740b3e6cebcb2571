/** The subscriptions of this page, by feed, so that the wire panel can show and cut them. */
import type { Entry, Gap, Options, State, Subscription } from "./ssedge.js";
import { subscribe } from "./ssedge.js";
import type { Badge } from "./badge.js";

export const FEEDS = ["stock", "chat", "events"] as const;
export type FeedName = (typeof FEEDS)[number];

/** A feed of the page: its subscription, and what the wire panel tells of it. */
export interface Feed {
  readonly url: string;
  readonly subscription: Subscription;
  /** Entries that the last resume found, older than itself. */
  found: number | undefined;
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
export function follow(name: FeedName, url: string, panel: Panel, options: Pick<Options, "events"> = {}): Subscription {
  feeds.get(name)?.subscription.close();
  panel.badge.gap(undefined);
  let resumedAt = 0;
  let wasLive = false;
  const subscription = subscribe(url, {
    ...options,
    onEntry(entry) {
      const time = Date.parse(timeOf(entry));
      const own = feeds.get(name);
      if (own?.found !== undefined && time < resumedAt) own.found += 1;
      panel.onEntry(entry);
    },
    onGap(gap) {
      panel.badge.gap(gap);
      panel.onGap?.(gap);
    },
    onState(state) {
      const own = feeds.get(name);
      if (own?.subscription !== subscription) return;
      if (state.name === "live" && wasLive) {
        own.found = 0;
        resumedAt = Date.now();
      }
      wasLive ||= state.name === "live";
      panel.badge.show(state);
      panel.onState?.(state);
      for (const listener of listeners) listener(name);
    },
  });
  feeds.set(name, { url, subscription, found: undefined });
  for (const listener of listeners) listener(name);
  return subscription;
}

function timeOf({ data }: Entry): string {
  return (JSON.parse(data) as { time?: string }).time ?? "";
}
