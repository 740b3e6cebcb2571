/**
 * One connection for all tabs of an origin that follow the same feed.
 *
 * The tab that holds the Web Lock of the feed is the *leader*. It has the connection, and sends each item to the other
 * tabs, its *followers*, by a `BroadcastChannel`. When the leader is closed, the browser gives the lock to the next
 * tab, which connects at its own cursor.
 *
 * Each tab keeps a log of the items that it was shown. A tab *joins* a leader: it sends its cursor and its last entry
 * there, and the leader answers with the items that its log has behind that, and with the number of its last message.
 * From then on the messages of the leader, each with an item or a state, have consecutive numbers.
 *
 * A *term* is the time of one leader. The numbers count within a term. A follower that hears of a new term, or misses a
 * number, joins again. Ids are only compared for equality.
 *
 * If the log of the leader does not have the cursor of a tab, the tab cannot join yet: it may have slept for long, or
 * be ahead of the leader. It reads by a connection of its own and asks again and again, until the log has its cursor. A
 * tab does the same if its leader does not answer, or if the leader hangs: a leader says in each beat that it is there,
 * and a follower that hears nothing for more than two beats reads by itself.
 *
 * In all cases a tab is shown only what comes after its own cursor.
 */
import { Log } from "./log.js";
import { newId } from "./random.js";
import { Backoff, QUESTION } from "./retry.js";
import type { Item, Role, State } from "./types.js";

/** This tab: its cursor, its connection, and what it is shown. */
export interface Tab {
  cursor(): string | undefined;
  open(): void;
  close(): void;
  reconnect(delay: number): void;
  item(item: Item): void;
  state(state: State): void;
  role(role: Role): void;
}

/** What tabs send each other. `term` is the id of a term. */
type Message =
  /** From a new leader to all. */
  | { type: "term"; term: string }
  /**
   * From the leader to its followers. `number` is that of this message; in a `beat`, that of the last item or state.
   */
  | { type: "item"; term: string; number: number; item: Item }
  | { type: "state"; term: string; number: number; state: State }
  | { type: "beat"; term: string; number: number }
  /** To the leader. `last` is the last entry at `cursor`, if there is one. */
  | { type: "join"; from: string; cursor: string | undefined; last: Item | undefined }
  /** The answer to `join`. `items` are those behind the cursor `after`, and missing if the log does not have that. */
  | { type: "joined"; to: string; term: string; number: number; state: State; after: string | undefined; items?: Item[] }
  /** To the leader: it is to drop its connection, and to open a new one after `delay` ms. */
  | { type: "reconnect"; delay: number };

/** How long a leader may take to answer. One that does not hang needs a few milliseconds. */
const ANSWER_MS = 1_000;
/** The time between two beats of a leader. */
const BEAT_MS = 2_000;
/** How long a follower may hear nothing of its leader: two beats, and half of one for delays. */
const LEADER_SILENT_MS = 2.5 * BEAT_MS;
/** How long a leader keeps its place after the end of the channel: longer than a message takes to another tab. */
const HEARD_MS = 1_000;

export class Tabs {
  /** Whether this browser can share: locks exist only in secure contexts. */
  static readonly supported =
    "BroadcastChannel" in globalThis && globalThis.navigator !== undefined && "locks" in navigator;

  readonly #name: string;
  readonly #tab: Tab;
  readonly #log: Log;
  readonly #id = newId();
  #channel: BroadcastChannel | undefined;
  /** The pauses between two questions of a tab that cannot join yet. */
  readonly #backoff = new Backoff(QUESTION);
  #lock = new AbortController();
  #releaseLock: (() => void) | undefined;
  #role: Role = "follower";
  /** The term that this tab leads or has joined; empty if there is none. */
  #term = "";
  /** The number of the last message of the term that this tab sent or handled. */
  #number = 0;
  /** The state of this tab's own connection. */
  #state: State = { name: "connecting" };
  /** When it fires, the leader has been silent for too long. */
  #silenceTimer: ReturnType<typeof setTimeout> | undefined;
  #beatTimer: ReturnType<typeof setInterval> | undefined;

  constructor(name: string, tab: Tab) {
    this.#name = name;
    this.#tab = tab;
    this.#log = new Log(tab.cursor());
  }

  /** Becomes the leader if there is none, or joins the one that there is. */
  start() {
    this.#backoff.succeeded();
    this.#setRole("follower");
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }: MessageEvent<Message>) => this.#receive(data);
    const { signal } = (this.#lock = new AbortController());
    // The request fails only if it is aborted, or if the page is closed.
    navigator.locks.request(this.#name, { signal }, () => (signal.aborted ? undefined : this.#lead())).catch(() => {});
    this.#join(ANSWER_MS);
  }

  /**
   * Leaves the other tabs. If this tab was the leader, another one can be now; `hasEnded`: but only after it has had the
   * time to hear that the channel has ended, so that it does not connect.
   */
  stop(hasEnded = false) {
    clearTimeout(this.#silenceTimer);
    clearInterval(this.#beatTimer);
    this.#term = "";
    this.#channel?.close();
    this.#channel = undefined;
    this.#lock.abort();
    const release = this.#releaseLock;
    this.#releaseLock = undefined;
    if (hasEnded) setTimeout(() => release?.(), HEARD_MS);
    else release?.();
  }

  /** The connection of this tab brought an item. */
  itemReceived(item: Item) {
    if (this.#role === "leader") this.#send({ type: "item", term: this.#term, number: ++this.#number, item });
    this.#deliver(item);
  }

  /**
   * The connection of this tab has another state. Followers do not hear of a refusal: each one finds out as the next
   * leader.
   */
  stateChanged(state: State) {
    this.#state = state;
    if (this.#role === "leader" && state.name !== "closed") {
      this.#send({ type: "state", term: this.#term, number: ++this.#number, state });
    }
    this.#tab.state(state);
  }

  reconnect(delay: number) {
    if (this.#role === "follower") this.#send({ type: "reconnect", delay });
    else this.#tab.reconnect(delay);
  }

  /** Makes this tab the leader. The promise is pending for as long as it is to hold the lock. */
  #lead(): Promise<void> {
    clearTimeout(this.#silenceTimer);
    const isConnected = this.#role === "alone";
    this.#setRole("leader");
    this.#term = newId();
    this.#number = 0;
    this.#send({ type: "term", term: this.#term });
    this.#beatTimer = setInterval(() => this.#send({ type: "beat", term: this.#term, number: this.#number }), BEAT_MS);
    if (isConnected) this.stateChanged(this.#state);
    else this.#tab.open();
    return new Promise((release) => (this.#releaseLock = release));
  }

  /** Asks the leader for the items after the cursor. Without an answer in time, this tab reads by itself. */
  #join(patience: number) {
    clearTimeout(this.#silenceTimer);
    this.#term = "";
    const cursor = this.#tab.cursor();
    this.#send({ type: "join", from: this.#id, cursor, last: this.#log.lastAt(cursor) });
    this.#silenceTimer = setTimeout(() => this.#readAlone(), patience);
  }

  /** Reads by a connection of this tab's own, and asks again and again to join. */
  #readAlone() {
    if (this.#role !== "alone") {
      this.#setRole("alone");
      this.#tab.open();
    }
    this.#join(this.#backoff.failed());
  }

  #receive(message: Message) {
    if (this.#role === "leader") {
      if (message.type === "join") this.#answer(message);
      else if (message.type === "reconnect") this.#tab.reconnect(message.delay);
    } else if (message.type === "joined") {
      if (message.to === this.#id) this.#joined(message);
    } else if (message.type === "term") {
      this.#backoff.succeeded();
      this.#join(ANSWER_MS);
    } else if (message.type !== "join" && message.type !== "reconnect" && message.term === this.#term) this.#follow(message);
  }

  /** Handles a message of the leader. If one before it was lost, this tab joins again, which brings what it missed. */
  #follow(message: Message & { type: "item" | "state" | "beat" }) {
    this.#leaderHeard();
    const next = this.#number + (message.type === "beat" ? 0 : 1);
    if (message.number > next) return this.#join(ANSWER_MS);
    if (message.number < next || message.type === "beat") return;
    this.#number = message.number;
    if (message.type === "item") this.#deliver(message.item);
    else this.#tab.state(message.state);
  }

  /** Begins to count the silence of the leader anew. */
  #leaderHeard() {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => this.#readAlone(), LEADER_SILENT_MS);
  }

  #answer({ from: to, cursor: after, last }: Message & { type: "join" }) {
    const [term, number, state, items] = [this.#term, this.#number, this.#state, this.#log.after(after, last)];
    this.#send({ type: "joined", to, term, number, state, after, ...(items && { items }) });
  }

  #joined({ term, number, state, after, items }: Message & { type: "joined" }) {
    // If this tab's own connection has moved the cursor meanwhile, these items do not fit any more. It asks again.
    if (!items || after !== this.#tab.cursor()) {
      if (this.#role === "follower") this.#readAlone();
      return;
    }
    this.#leaderHeard();
    if (this.#role === "alone") this.#tab.close();
    this.#setRole("follower");
    this.#backoff.succeeded();
    this.#term = term;
    this.#number = number;
    this.#tab.state(state);
    for (const item of items) this.#deliver(item);
  }

  #deliver(item: Item) {
    this.#log.add(item);
    this.#tab.item(item);
  }

  #setRole(role: Role) {
    this.#role = role;
    this.#tab.role(role);
  }

  #send(message: Message) {
    this.#channel?.postMessage(message);
  }
}
