/**
 * One connection for all tabs of an origin that follow the same feed.
 *
 * The tab that holds the Web Lock of the feed, the *leader*, has the connection, and tells the others, its
 * *followers*, of each item by a `BroadcastChannel`. When the leader goes, the browser gives the lock to the next tab,
 * which connects at its own cursor.
 *
 * Each tab keeps a log of what it was shown. One that joins says its cursor, and the last entry that it has from there,
 * and the leader answers with what its log has after that, and with the number of the last item; from there on items
 * are numbered. A reign is the time of one leader, and numbers hold within it: who hears of a new reign joins again.
 * Ids are only ever compared for equality.
 *
 * A tab whose cursor the leader's log does not have (it slept for long, or the leader is a little behind it) gets a
 * connection of its own, and joins as soon as the log has its cursor. So does a tab whose leader does not answer.
 * Whatever happens, a tab is only ever shown what follows its own cursor.
 */
import type { Role, State } from "./ssedge.js";

/** Something that a stream said: an entry, or an event of the protocol. */
export interface Item {
  /** The cursor after it. */
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** The tab's side: its cursor, its connection, and what it is shown. */
export interface Tab {
  cursor(): string | undefined;
  open(): void;
  close(): void;
  reconnect(delay: number): void;
  item(item: Item): void;
  state(state: State): void;
  role(role: Role): void;
}

type Note =
  | { type: "reign"; reign: string }
  | { type: "item"; reign: string; number: number; item: Item }
  | { type: "state"; reign: string; state: State }
  | { type: "join"; from: string; cursor: string | undefined; last: Item | undefined }
  /** `items` is what followed `after`; without it, the leader does not have that cursor. */
  | { type: "joined"; to: string; reign: string; number: number; state: State; after: string | undefined; items?: Item[] }
  | { type: "reconnect"; delay: number };

/** A leader that is alive answers in a few milliseconds. */
const ANSWER_MS = 1_000;
/** How often a tab with a connection of its own asks to join. */
const ASK_MS = 500;
/** Characters of data in the log of a tab: some thousand entries. */
const LOG_CHARS = 1 << 19;

export class Tabs {
  /** Whether this browser can share: locks exist only in secure contexts. */
  static readonly supported =
    "BroadcastChannel" in globalThis && globalThis.navigator !== undefined && "locks" in navigator;

  readonly #name: string;
  readonly #tab: Tab;
  readonly #log: Log;
  readonly #me = Tabs.supported ? crypto.randomUUID() : "";
  #channel: BroadcastChannel | undefined;
  #lock = new AbortController();
  #release: (() => void) | undefined;
  #role: Role = "follower";
  /** The reign that this tab leads or follows, and its last item here. Empty: it has not joined one yet. */
  #reign = "";
  #number = 0;
  #state: State = { name: "connecting" };
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(name: string, tab: Tab) {
    this.#name = name;
    this.#tab = tab;
    this.#log = new Log(tab.cursor());
  }

  /** Leads, if nobody does, or joins who does. */
  start() {
    this.#become("follower");
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }: MessageEvent<Note>) => this.#hear(data);
    const { signal } = (this.#lock = new AbortController());
    // Refused only because it was aborted, or because the page goes.
    navigator.locks.request(this.#name, { signal }, () => (signal.aborted ? undefined : this.#lead())).catch(() => {});
    this.#join(ANSWER_MS);
  }

  /** Lets go of the feed; another tab may lead it. */
  stop() {
    clearTimeout(this.#timer);
    this.#reign = "";
    this.#channel?.close();
    this.#channel = undefined;
    this.#lock.abort();
    this.#release?.();
    this.#release = undefined;
  }

  /** The connection of this tab brought an item. */
  received(item: Item) {
    if (this.#role === "leader") {
      this.#number += 1;
      this.#say({ type: "item", reign: this.#reign, number: this.#number, item });
    }
    this.#take(item);
  }

  /** The connection of this tab is in another state. That it is refused each tab finds out by itself, as next leader. */
  changed(state: State) {
    this.#state = state;
    if (this.#role === "leader" && state.name !== "closed") this.#say({ type: "state", reign: this.#reign, state });
    this.#tab.state(state);
  }

  reconnect(delay: number) {
    if (this.#role === "follower") this.#say({ type: "reconnect", delay });
    else this.#tab.reconnect(delay);
  }

  /** Runs while this tab has the lock. */
  #lead(): Promise<void> {
    clearTimeout(this.#timer);
    const isConnected = this.#role === "alone";
    this.#become("leader");
    this.#reign = crypto.randomUUID();
    this.#number = 0;
    this.#say({ type: "reign", reign: this.#reign });
    if (isConnected) this.changed(this.#state);
    else this.#tab.open();
    return new Promise((release) => (this.#release = release));
  }

  /** Asks the leader for what follows the cursor; without an answer in time, this tab connects by itself. */
  #join(patience: number) {
    clearTimeout(this.#timer);
    this.#reign = "";
    const cursor = this.#tab.cursor();
    this.#say({ type: "join", from: this.#me, cursor, last: this.#log.lastAt(cursor) });
    this.#timer = setTimeout(() => this.#goAlone(), patience);
  }

  /** Follows by a connection of its own, and asks again and again to join. */
  #goAlone() {
    if (this.#role !== "alone") {
      this.#become("alone");
      this.#tab.open();
    }
    this.#join(ASK_MS);
  }

  #hear(note: Note) {
    if (this.#role === "leader") {
      if (note.type === "join") this.#answer(note);
      else if (note.type === "reconnect") this.#tab.reconnect(note.delay);
    } else if (note.type === "joined") {
      if (note.to === this.#me) this.#joined(note);
    } else if (note.type === "reign") {
      this.#join(this.#role === "alone" ? ASK_MS : ANSWER_MS);
    } else if ("reign" in note && note.reign === this.#reign) {
      if (note.type === "state") this.#tab.state(note.state);
      else if (note.number === this.#number + 1) {
        this.#number = note.number;
        this.#take(note.item);
      }
    }
  }

  #answer({ from: to, cursor: after, last }: Note & { type: "join" }) {
    const [reign, number, state, items] = [this.#reign, this.#number, this.#state, this.#log.after(after, last)];
    this.#say({ type: "joined", to, reign, number, state, after, ...(items && { items }) });
  }

  #joined({ reign, number, state, after, items }: Note & { type: "joined" }) {
    // What this tab's own connection brought meanwhile is not taken again: it asks anew.
    if (!items || after !== this.#tab.cursor()) {
      if (this.#role === "follower") this.#goAlone();
      return;
    }
    clearTimeout(this.#timer);
    if (this.#role === "alone") this.#tab.close();
    this.#become("follower");
    this.#reign = reign;
    this.#number = number;
    this.#tab.state(state);
    for (const item of items) this.#take(item);
  }

  #take(item: Item) {
    this.#log.add(item);
    this.#tab.item(item);
  }

  #become(role: Role) {
    this.#role = role;
    this.#tab.role(role);
  }

  #say(note: Note) {
    this.#channel?.postMessage(note);
  }
}

/** What a tab was shown, newest last, bounded. */
class Log {
  /** The cursor before the first item; `undefined`: the feed's beginning, as its URL says. */
  #start: string | undefined;
  readonly #items: Item[] = [];
  #chars = 0;

  constructor(start: string | undefined) {
    this.#start = start;
  }

  add(item: Item) {
    this.#items.push(item);
    this.#chars += item.data.length;
    if (this.#chars > LOG_CHARS) this.#trim();
  }

  /** The last entry, if the cursor has not moved since. */
  lastAt(cursor: string | undefined): Item | undefined {
    return this.#items.findLast(({ id, event }) => id === cursor && event !== "cursor");
  }

  /** What follows the `last` entry, else the cursor, else the feed's beginning; `undefined` if that is not here. */
  after(cursor: string | undefined, last: Item | undefined): Item[] | undefined {
    const isLast = ({ id, event, data }: Item) => id === last?.id && event === last.event && data === last.data;
    const known = this.#items.findLastIndex(isLast);
    if (known >= 0) return this.#items.slice(known + 1);
    if (cursor === this.#start) return [...this.#items];
    // The first with this id: items without one of their own may follow it, and who has those knows them.
    const at = this.#items.findIndex(({ id }) => id === cursor);
    return at < 0 ? undefined : this.#items.slice(at + 1);
  }

  /** Drops the older half, up to where an id ends. */
  #trim() {
    let dropped = 0;
    while (this.#chars > LOG_CHARS / 2 || this.#items[dropped]?.id === this.#start) {
      const item = this.#items[dropped];
      if (!item) break;
      this.#chars -= item.data.length;
      this.#start = item.id;
      dropped += 1;
    }
    this.#items.splice(0, dropped);
  }
}
