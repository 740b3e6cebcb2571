/** The wire panel: the raw lines of a feed, its cursor and its connection, and a button that cuts it. */
import { find, Lines, make } from "./dom.js";
import { allFeeds, feed, onFeedChange, type FeedName } from "./feeds.js";
import { RawReader } from "./raw.js";
import type { Subscription } from "./ssedge.js";
import { inEveryLanguage, texts } from "./strings.js";

const LINES_MAX = 400;
const CUT_MS = 5_000;
/** One tab at a time reads the wire: with the three feeds that is four of the six connections of a browser. */
const LOCK = "ssedge wire";
/** A lock that no other tab holds is there in less than this. */
const LOCK_MS = 300;

export function startWire() {
  const panel = find(document, "#wire");
  const lines = new Lines(find(panel, ".lines"), LINES_MAX);
  const choice = find<HTMLSelectElement>(panel, "select");
  const hold = find<HTMLButtonElement>(panel, ".hold");
  const elsewhere = find(panel, ".elsewhere");
  const stat = (name: string) => find(panel, `[data-stat=${name}]`);
  let raw: RawReader | undefined;
  /** What was followed when `raw` began: a feed that is followed anew is read anew. */
  let reads: Subscription | undefined;
  let holdsBack: HTMLElement[] | undefined;
  let release: (() => void) | undefined;
  let asked = new AbortController();
  let delay: number | undefined;

  const chosen = () => choice.value as FeedName;

  function add(text: string, kind: string) {
    const line = make("div", "line");
    line.dataset.kind = kind;
    const colon = kind === "field" ? text.indexOf(":") : -1;
    if (colon > 0) {
      line.dataset.field = text.slice(0, colon);
      line.append(make("b", "", text.slice(0, colon + 1)), text.slice(colon + 1));
    } else line.textContent = text;
    if (!holdsBack) return lines.add(line);
    holdsBack.push(line);
    if (holdsBack.length > LINES_MAX) holdsBack.shift();
  }

  /** Reads the chosen feed from where the page is in it. */
  function read() {
    raw?.stop();
    raw = undefined;
    const followed = feed(chosen());
    reads = followed?.subscription;
    if (!release || !followed) return;
    lines.clear();
    if (holdsBack) holdsBack = [];
    const url = new URL(followed.url, location.href);
    const { cursor } = followed.subscription;
    if (cursor !== undefined) url.searchParams.delete("history");
    raw = new RawReader(url.pathname + url.search, cursor, {
      request: (url, cursor) => {
        add(`GET ${url}${cursor === undefined ? "" : `   Last-Event-ID: ${cursor}`}`, "request");
        showStats();
      },
      line: (text) => add(text, text.startsWith(":") ? "comment" : "field"),
      refused: (status, body) => {
        add(`HTTP ${status}`, "end");
        for (const line of body.split("\n")) add(line, "body");
      },
      ended: (delay) => {
        const { wireEnded, reconnectingIn } = texts();
        add(delay === undefined ? wireEnded : `${wireEnded} · ${reconnectingIn(Math.round(delay / 100) / 10)}`, "end");
        showStats();
      },
    });
    showStats();
  }

  function showStats() {
    const followed = feed(chosen());
    if (!followed) return;
    const { subscription, found } = followed;
    const words = texts();
    set("cursor", subscription.cursor ?? "–");
    set("reconnects", String(Math.max(0, subscription.reconnects)));
    set("found", found === undefined ? "–" : words.foundCount(found));
    const streams = allFeeds().filter(({ subscription }) => isConnected(subscription));
    set("connections", words.connectionCount(streams.length + (raw?.isOpen ? 1 : 0)));
    set("role", words.roles[subscription.role]);
    set("delay", delay === undefined ? words.delayHint : `${Math.round(delay)} ms`);
  }

  function set(name: string, text: string) {
    const element = stat(name);
    if (element.textContent !== text) element.textContent = text;
  }

  /** Reads as soon as this tab has the lock, and as long as it is seen; `steal` takes the lock from another tab. */
  function acquire(steal: boolean) {
    if (release || document.visibilityState === "hidden") return;
    const begin = () =>
      new Promise<void>((resolve) => {
        release = resolve;
        elsewhere.hidden = true;
        read();
      });
    if (!("locks" in navigator)) return void begin();
    asked.abort();
    const { signal } = (asked = new AbortController());
    setTimeout(() => (elsewhere.hidden = release !== undefined || signal.aborted), LOCK_MS);
    navigator.locks
      .request(LOCK, steal ? { steal } : { signal }, () => (signal.aborted ? undefined : begin()))
      .catch(() => {
        if (signal.aborted) return;
        // Another tab took it. This one goes on when that one leaves.
        leave();
        acquire(false);
      });
  }

  function leave() {
    asked.abort();
    release?.();
    release = undefined;
    raw?.stop();
    raw = undefined;
    elsewhere.hidden = true;
    showStats();
  }

  find(panel, ".here").onclick = () => acquire(true);
  find(panel, ".cut").onclick = () => {
    feed(chosen())?.subscription.reconnect(CUT_MS);
    raw?.reconnect(CUT_MS);
  };
  hold.onclick = () => {
    const held = holdsBack;
    holdsBack = held ? undefined : [];
    hold.setAttribute("aria-pressed", String(!held));
    showHold();
    for (const line of held ?? []) lines.add(line);
  };
  const showHold = () => (hold.textContent = holdsBack ? texts().resume : texts().hold);
  choice.onchange = read;
  const look = () => (document.visibilityState === "hidden" ? leave() : acquire(false));
  document.addEventListener("visibilitychange", look);
  addEventListener("pagehide", leave);
  addEventListener("pageshow", look);
  onFeedChange((name) => {
    if (name === chosen() && feed(name)?.subscription !== reads) read();
    showStats();
  });
  inEveryLanguage(() => {
    showHold();
    showStats();
  });
  setInterval(showStats, 500);
  look();

  return {
    /** A message took so long from its POST to its arrival. */
    measured(millis: number) {
      delay = millis;
      showStats();
    },
  };
}

/** Whether this tab spends a connection on it: another tab may have it, and in a pause there is none. */
const isConnected = ({ role, state }: Subscription) =>
  role !== "follower" &&
  (state.name === "live" || state.name === "connecting" || (state.name === "reconnecting" && state.at === undefined));
