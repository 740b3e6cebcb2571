/** The wire panel: the raw lines of a feed, some numbers about it, and a button that cuts its connection. */
import type { Subscription } from "../../packages/client/src/index.js";
import { find, Lines, make } from "./dom.js";
import { allFeeds, feed, onFeedChange, type FeedName } from "./feeds.js";
import { RawReader } from "./raw.js";
import { inEveryLanguage, texts } from "./strings.js";

const LINES_MAX = 400;
const CUT_MS = 5_000;
/** Only one tab at a time reads raw lines. With the three feeds, a browser then uses four of its six connections. */
const LOCK = "ssedge wire";
/** If the lock is not there after this time, another tab holds it. */
const LOCK_MS = 300;

export function startWire() {
  const panel = find(document, "#wire");
  const lines = new Lines(find(panel, ".lines"), LINES_MAX);
  const choice = find<HTMLSelectElement>(panel, "select");
  const hold = find<HTMLButtonElement>(panel, ".hold");
  const elsewhere = find(panel, ".elsewhere");
  const stat = (name: string) => find(panel, `[data-stat=${name}]`);
  let raw: RawReader | undefined;
  /** The subscription of the feed that `raw` reads. When the feed has another one, its raw lines are read anew. */
  let rawSubscription: Subscription | undefined;
  let heldLines: HTMLElement[] | undefined;
  let releaseLock: (() => void) | undefined;
  let lockRequest = new AbortController();
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
    if (!heldLines) return lines.add(line);
    heldLines.push(line);
    if (heldLines.length > LINES_MAX) heldLines.shift();
  }

  /** Reads the raw lines of the chosen feed, from the cursor of the page on. */
  function read() {
    raw?.stop();
    raw = undefined;
    const followed = feed(chosen());
    rawSubscription = followed?.subscription;
    if (!releaseLock || !followed) return;
    lines.clear();
    if (heldLines) heldLines = [];
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
    const { subscription, foundByResume: found } = followed;
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

  /**
   * Reads when this tab has the lock, until the tab goes into the background. With `steal`, takes the lock from the tab
   * that holds it.
   */
  function acquire(steal: boolean) {
    if (releaseLock || document.visibilityState === "hidden") return;
    const begin = () =>
      new Promise<void>((resolve) => {
        releaseLock = resolve;
        elsewhere.hidden = true;
        read();
      });
    if (!("locks" in navigator)) return void begin();
    lockRequest.abort();
    const { signal } = (lockRequest = new AbortController());
    setTimeout(() => (elsewhere.hidden = releaseLock !== undefined || signal.aborted), LOCK_MS);
    navigator.locks
      .request(LOCK, steal ? { steal } : { signal }, () => (signal.aborted ? undefined : begin()))
      .catch(() => {
        if (signal.aborted) return;
        // Another tab took the lock. This tab gets it again when that tab gives it back.
        leave();
        acquire(false);
      });
  }

  function leave() {
    lockRequest.abort();
    releaseLock?.();
    releaseLock = undefined;
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
    const held = heldLines;
    heldLines = held ? undefined : [];
    hold.setAttribute("aria-pressed", String(!held));
    showHold();
    for (const line of held ?? []) lines.add(line);
  };
  const showHold = () => (hold.textContent = heldLines ? texts().resume : texts().hold);
  choice.onchange = read;
  const look = () => (document.visibilityState === "hidden" ? leave() : acquire(false));
  document.addEventListener("visibilitychange", look);
  addEventListener("pagehide", leave);
  addEventListener("pageshow", look);
  onFeedChange((name) => {
    if (name === chosen() && feed(name)?.subscription !== rawSubscription) read();
    showStats();
  });
  inEveryLanguage(() => {
    showHold();
    showStats();
  });
  setInterval(showStats, 500);
  look();

  return {
    /** A message took so many ms from its POST until the stream brought it. */
    measured(millis: number) {
      delay = millis;
      showStats();
    },
  };
}

/** Whether this tab has a connection for it. A follower has none, and in a pause there is none. */
const isConnected = ({ role, state }: Subscription) =>
  role !== "follower" &&
  (state.name === "live" || state.name === "connecting" || (state.name === "reconnecting" && state.at === undefined));
