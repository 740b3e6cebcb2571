/**
 * One connection for all tabs of an origin that follow the same feed.
 *
 * The tab that holds the Web Lock of the feed, the *leader*, has the connection, and tells the others, its
 * *followers*, of each item by a `BroadcastChannel`. When the leader goes, the browser gives the lock to the next tab,
 * which connects at its own cursor.
 *
 * Each tab keeps a log of what it was shown. One that joins says its cursor, and the last entry that it has from there,
 * and the leader answers with what its log has after that, and with the number of its last note; from there on items
 * and states are numbered. A reign is the time of one leader, and numbers hold within it: who hears of a new reign, or
 * of a number that does not follow its own, joins again. Ids are only ever compared for equality.
 *
 * A tab whose cursor the leader's log does not have (it slept for long, or the leader is a little behind it) gets a
 * connection of its own, and joins as soon as the log has its cursor. So does a tab whose leader does not answer, or
 * hangs: a leader beats, and a tab that misses two beats reads by itself.
 * Whatever happens, a tab is only ever shown what follows its own cursor.
 */
import { Log } from "./ssedge-log.js";
import { newId } from "./ssedge-random.js";
import { Backoff, QUESTION } from "./ssedge-retry.js";
import type { Item, Role, State } from "./ssedge-types.js";

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
  | { type: "state"; reign: string; number: number; state: State }
  | { type: "beat"; reign: string; number: number }
  | { type: "join"; from: string; cursor: string | undefined; last: Item | undefined }
  /** `items` is what followed `after`; without it, the leader does not have that cursor. */
  | { type: "joined"; to: string; reign: string; number: number; state: State; after: string | undefined; items?: Item[] }
  | { type: "reconnect"; delay: number };

/** A leader that is alive answers in a few milliseconds. */
const ANSWER_MS = 1_000;
/** How often a leader says that it is there, so that one that hangs is noticed. */
const BEAT_MS = 2_000;
/** Two beats of a leader are missing, and some time for the way. */
const DEAF_MS = 2.5 * BEAT_MS;

export class Tabs {
  /** Whether this browser can share: locks exist only in secure contexts. */
  static readonly supported =
    "BroadcastChannel" in globalThis && globalThis.navigator !== undefined && "locks" in navigator;

  readonly #name: string;
  readonly #tab: Tab;
  readonly #log: Log;
  readonly #me = newId();
  #channel: BroadcastChannel | undefined;
  /** Before a tab with a connection of its own asks to join again. */
  readonly #backoff = new Backoff(QUESTION);
  #lock = new AbortController();
  #release: (() => void) | undefined;
  #role: Role = "follower";
  /** The reign that this tab leads or follows, and its last note here. Empty: it has not joined one yet. */
  #reign = "";
  #number = 0;
  #state: State = { name: "connecting" };
  #timer: ReturnType<typeof setTimeout> | undefined;
  #beat: ReturnType<typeof setInterval> | undefined;

  constructor(name: string, tab: Tab) {
    this.#name = name;
    this.#tab = tab;
    this.#log = new Log(tab.cursor());
  }

  /** Leads, if nobody does, or joins who does. */
  start() {
    this.#backoff.succeeded();
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
    clearInterval(this.#beat);
    this.#reign = "";
    this.#channel?.close();
    this.#channel = undefined;
    this.#lock.abort();
    this.#release?.();
    this.#release = undefined;
  }

  /** The connection of this tab brought an item. */
  received(item: Item) {
    if (this.#role === "leader") this.#say({ type: "item", reign: this.#reign, number: ++this.#number, item });
    this.#take(item);
  }

  /** The connection of this tab is in another state. That it is refused each tab finds out by itself, as next leader. */
  changed(state: State) {
    this.#state = state;
    if (this.#role === "leader" && state.name !== "closed") {
      this.#say({ type: "state", reign: this.#reign, number: ++this.#number, state });
    }
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
    this.#reign = newId();
    this.#number = 0;
    this.#say({ type: "reign", reign: this.#reign });
    this.#beat = setInterval(() => this.#say({ type: "beat", reign: this.#reign, number: this.#number }), BEAT_MS);
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
    this.#join(this.#backoff.failed());
  }

  #hear(note: Note) {
    if (this.#role === "leader") {
      if (note.type === "join") this.#answer(note);
      else if (note.type === "reconnect") this.#tab.reconnect(note.delay);
    } else if (note.type === "joined") {
      if (note.to === this.#me) this.#joined(note);
    } else if (note.type === "reign") {
      this.#backoff.succeeded();
      this.#join(ANSWER_MS);
    } else if (note.type !== "join" && note.type !== "reconnect" && note.reign === this.#reign) this.#follow(note);
  }

  /** Takes the next note of the reign. One that was lost on the way is asked for: it is in what joining brings. */
  #follow(note: Note & { type: "item" | "state" | "beat" }) {
    this.#listen();
    const next = this.#number + (note.type === "beat" ? 0 : 1);
    if (note.number > next) return this.#join(ANSWER_MS);
    if (note.number < next || note.type === "beat") return;
    this.#number = note.number;
    if (note.type === "item") this.#take(note.item);
    else this.#tab.state(note.state);
  }

  /** From now on the leader is to be heard of. */
  #listen() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#goAlone(), DEAF_MS);
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
    this.#listen();
    if (this.#role === "alone") this.#tab.close();
    this.#become("follower");
    this.#backoff.succeeded();
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
