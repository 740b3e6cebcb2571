/** The wire panel: the raw lines of a feed, its cursor and its connection, and a button that cuts it. */
import { find, Lines, make } from "./dom.js";
import { allFeeds, feed, onFeedChange, type FeedName } from "./feeds.js";
import { RawReader } from "./raw.js";
import { inEveryLanguage, texts } from "./strings.js";

const LINES_MAX = 400;
const CUT_MS = 5_000;
/** One tab at a time reads the wire: with the three feeds that is four of the six connections of a browser. */
const LOCK = "ssedge wire";

export function startWire() {
  const panel = find(document, "#wire");
  const lines = new Lines(find(panel, ".lines"), LINES_MAX);
  const choice = find<HTMLSelectElement>(panel, "select");
  const hold = find<HTMLButtonElement>(panel, ".hold");
  const elsewhere = find(panel, ".elsewhere");
  const stat = (name: string) => find(panel, `[data-stat=${name}]`);
  let raw: RawReader | undefined;
  let holdsBack: HTMLElement[] | undefined;
  let release: (() => void) | undefined;
  let asks = false;
  const delays: number[] = [];

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
      ended: (delay) => {
        add(`${texts().wireEnded} · ${texts().reconnectingIn(Math.round(delay / 100) / 10)}`, "end");
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
    const streams = allFeeds().filter(({ subscription: { role, state } }) => role !== "follower" && state.name !== "paused");
    set("connections", words.connectionCount(streams.length + (raw?.isOpen ? 1 : 0)));
    set("role", words.roles[subscription.role]);
    const last = delays.at(-1);
    set("delay", last === undefined ? words.delayHint : `${Math.round(last)} ms`);
  }

  function set(name: string, text: string) {
    const element = stat(name);
    if (element.textContent !== text) element.textContent = text;
  }

  /** Reads as long as this tab is seen and has the lock; `steal` takes it from another tab. */
  function acquire(steal: boolean) {
    if (release || asks || document.visibilityState === "hidden") return;
    asks = true;
    const begin = () =>
      new Promise<void>((resolve) => {
        asks = false;
        release = resolve;
        elsewhere.hidden = true;
        read();
      });
    if (!("locks" in navigator)) return void begin();
    const options: LockOptions = steal ? { steal } : { ifAvailable: true };
    navigator.locks
      .request(LOCK, options, (lock) => {
        if (lock) return begin();
        asks = false;
        elsewhere.hidden = false;
        return undefined;
      })
      // Another tab took it.
      .catch(() => leave(true));
  }

  function leave(isTaken: boolean) {
    release?.();
    release = undefined;
    raw?.stop();
    raw = undefined;
    elsewhere.hidden = !isTaken;
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
  document.addEventListener("visibilitychange", () =>
    document.visibilityState === "hidden" ? leave(false) : acquire(false),
  );
  addEventListener("pagehide", () => leave(false));
  addEventListener("pageshow", () => acquire(false));
  // A feed that was chosen anew has another URL.
  let url: string | undefined;
  onFeedChange((name) => {
    if (name === chosen() && feed(name)?.url !== url) {
      url = feed(name)?.url;
      read();
    }
    showStats();
  });
  inEveryLanguage(() => {
    showHold();
    showStats();
  });
  setInterval(showStats, 500);
  acquire(false);

  return {
    /** A message took so long from its POST to its arrival. */
    measured(millis: number) {
      delays.push(millis);
      showStats();
    },
  };
}
