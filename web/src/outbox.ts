/** Chat messages on their way: each is pending until it comes back by the stream. */
import { post, Refusal } from "./api.js";
import { localTime } from "./clock.js";
import { newId } from "./ssedge-random.js";
import { Backoff, pauseAsked, REQUEST } from "./ssedge-retry.js";

/** A message as the feed sends it. */
export interface Message {
  readonly id: string;
  readonly room: string;
  readonly user: string;
  readonly text: string;
  readonly time: string;
}

/** A message that was said here and has not come back yet. */
export interface Pending {
  readonly room: string;
  readonly user: string;
  readonly text: string;
  /** The same for every attempt, so that a server that knows it stores the message once. */
  readonly key: string;
  /** `stored`: the server has said so. `waiting`: it had no time. `failed`: only its sender can help. */
  status: "queued" | "posting" | "stored" | "waiting" | "failed";
  /** When it was said, in unix ms. */
  readonly saidAt: number;
  /** When the last attempt began, by `performance.now()`. */
  postedAt: number;
  /** The id, once the server has said it. */
  id?: string;
  /** Why the last attempt failed. */
  refusal?: Refusal;
  /** When a waiting one is tried again, in unix ms. */
  againAt?: number;
  timer?: ReturnType<typeof setTimeout>;
  readonly backoff: Backoff;
}

/** What an outbox tells. */
interface Ends {
  /** The list is another, or a message of it stands differently. */
  changed(): void;
  /** How long a message took from its POST to its arrival. */
  measured(millis: number): void;
  /** The server has said that it stored the message, which is to come back by this id. */
  stored(pending: Pending, id: string): void;
  /** An attempt was refused: the message waits, or has failed. */
  refused(pending: Pending, refusal: Refusal): void;
}

/** Shorter than the ten minutes in which a server knows a key: later an attempt of its own might store a message twice. */
const KEY_MS = 9 * 60_000;
/** How far a time of the server may be off, once it is brought to the local clock. */
const CLOCK_SLACK_MS = 2_000;

/** Messages of one room are posted one after another, so that they keep their order. */
export class Outbox {
  #pending: Pending[] = [];
  /** Ids that arrived while a POST was on its way, for an answer that is slower than the stream. */
  readonly #arrived = new Map<string, number>();
  readonly #ends: Ends;
  /** When a feed went live the last time, by `performance.now()`. */
  #liveAt = 0;

  constructor(ends: Ends) {
    this.#ends = ends;
  }

  in(room: string) {
    return this.#pending.filter((pending) => pending.room === room);
  }

  send(room: string, user: string, text: string) {
    const saidAt = Date.now();
    const backoff = new Backoff(REQUEST);
    const pending: Pending = { room, user, text, key: newId(), status: "queued", saidAt, postedAt: 0, backoff };
    this.#pending.push(pending);
    this.#ends.changed();
    this.#advance(room);
  }

  /** The stream is another, or has left something out: what is stored may never come back by it, and is pending no more. */
  forgetStored() {
    this.#pending = this.#pending.filter(({ status }) => status !== "stored");
    this.#ends.changed();
  }

  /** A feed is live again: what failed for want of an answer is posted again. */
  serverIsBack() {
    this.#liveAt = performance.now();
    for (const pending of this.#pending) if (isWorthwhile(pending)) this.retry(pending);
  }

  /** Posts one that has failed again. */
  retry(pending: Pending) {
    delete pending.refusal;
    delete pending.againAt;
    pending.status = "queued";
    this.#ends.changed();
    this.#advance(pending.room);
  }

  discard(pending: Pending) {
    clearTimeout(pending.timer);
    this.#pending = this.#pending.filter((other) => other !== pending);
    this.#ends.changed();
    this.#advance(pending.room);
  }

  /** The stream brought a message, perhaps one of these; its id may be told by the answer only later. */
  arrived({ id, room, user, text, time }: Message) {
    const now = performance.now();
    if (this.#pending.some(({ status }) => status === "posting")) this.#arrived.set(id, now);
    else this.#arrived.clear();
    const at = (localTime(time) ?? Date.parse(time)) + CLOCK_SLACK_MS;
    // What was said before is another, of the same words.
    const same = this.#pending.filter(
      (own) => own.room === room && own.user === user && own.text === text && own.saidAt <= at,
    );
    const own =
      this.#pending.find((pending) => pending.id === id) ??
      same.find(({ status }) => status === "posting") ??
      same.find(({ refusal }) => refusal?.isUncertain);
    if (own) this.#settle(own, now);
  }

  /** Posts the next one of a room, unless one before it is on its way. */
  #advance(room: string) {
    const here = this.in(room);
    if (here.some(({ status }) => status === "posting" || status === "waiting")) return;
    const next = here.find(({ status }) => status === "queued");
    if (next) void this.#post(next);
  }

  async #post(pending: Pending) {
    pending.status = "posting";
    pending.postedAt = performance.now();
    try {
      const { room, user, text, key } = pending;
      const { id } = await post(`/api/chat/${room}`, JSON.stringify({ user, text }), key);
      pending.id = id;
      pending.status = "stored";
      const arrivedAt = this.#arrived.get(id);
      if (arrivedAt !== undefined) this.#settle(pending, arrivedAt);
      else this.#ends.stored(pending, id);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      // If the stream has brought it meanwhile, only the answer was lost.
      if (this.#pending.includes(pending)) this.#refuse(pending, error);
      // The server came back while this attempt was still waiting.
      if (this.#liveAt > pending.postedAt && isWorthwhile(pending)) return this.retry(pending);
    }
    this.#ends.changed();
    this.#advance(pending.room);
  }

  #refuse(pending: Pending, refusal: Refusal) {
    pending.refusal = refusal;
    pending.status = refusal.isPassing ? "waiting" : "failed";
    if (refusal.isPassing) {
      const { retryAfter } = refusal;
      const millis = retryAfter ? pauseAsked(retryAfter * 1_000) : pending.backoff.failed();
      pending.againAt = Date.now() + millis;
      pending.timer = setTimeout(() => this.retry(pending), millis);
    }
    this.#ends.refused(pending, refusal);
  }

  #settle(pending: Pending, at: number) {
    if (!this.#pending.includes(pending)) return;
    this.#ends.measured(at - pending.postedAt);
    this.discard(pending);
  }
}

/** Whether another attempt is safe, and may go better without a change. */
const isWorthwhile = ({ status, refusal, saidAt }: Pending) =>
  status === "failed" && refusal !== undefined && refusal.isUncertain && Date.now() - saidAt < KEY_MS;
