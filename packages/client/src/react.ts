"use client";
/**
 * The entry `ssedge/react`.
 *
 * ```tsx
 * function Orders() {
 *   const { entries, state } = useChannel("/api/channels/public/orders?history=50");
 *   return <ul data-state={state.name}>{entries.map(({ id, data }) => <li key={id}>{data}</li>)}</ul>;
 * }
 * ```
 */
import { useEffect, useState } from "react";
import { subscribe } from "./subscribe.js";
import type { End, Entry, Gap, Options, State } from "./types.js";

/** How many of the newest entries are kept, unless the options say another number. */
const ENTRIES = 1_000;

/** What a component is shown of a channel. */
export interface ChannelView {
  /** The newest entries, oldest first. */
  readonly entries: readonly Entry[];
  readonly state: State;
  /** The last gap: entries before some of these can no longer be had. */
  readonly gap: Gap | undefined;
  /** Set once the channel was closed. */
  readonly end: End | undefined;
}

export interface UseChannelOptions extends Pick<Options, "cursor" | "events" | "share" | "withCredentials"> {
  /** How many of the newest entries are kept; by default 1000. */
  readonly most?: number;
}

const NOTHING: ChannelView = { entries: [], state: { name: "connecting" }, gap: undefined, end: undefined };

/** Follows a channel while the component is mounted. With another URL, or other options, it begins anew. */
export function useChannel(url: string | URL | undefined, options: UseChannelOptions = {}): ChannelView {
  const [view, setView] = useState(NOTHING);
  const { cursor, share, withCredentials, most = ENTRIES } = options;
  const [href, events] = [url && String(url), options.events?.join()];
  useEffect(() => {
    setView(NOTHING);
    if (href === undefined) return undefined;
    const subscription = subscribe(href, {
      ...(cursor !== undefined && { cursor }),
      ...(events && { events: events.split(",") }),
      ...(share !== undefined && { share }),
      ...(withCredentials !== undefined && { withCredentials }),
      onEntry: (entry) => setView((view) => ({ ...view, entries: [...view.entries, entry].slice(-most) })),
      onGap: (gap) => setView((view) => ({ ...view, gap })),
      onEnd: (end) => setView((view) => ({ ...view, end })),
      onState: (state) => setView((view) => ({ ...view, state })),
    });
    return () => subscription.close();
  }, [href, cursor, events, share, withCredentials, most]);
  return view;
}
