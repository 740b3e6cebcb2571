/** Chat messages that were sent from this page. Each is pending until the stream brings it back. */
import { newId } from "../../packages/client/src/random.js";
import { Backoff, pauseAsked, REQUEST } from "../../packages/client/src/retry.js";
import { post, Refusal } from "./api.js";
import { localTime } from "./clock.js";

/** A message as the feed sends it. */
export interface Message {
  readonly id: string;
  readonly room: string;
  readonly user: string;
  readonly text: string;
  readonly time: string;
}

/** A message that was sent here, and that the stream has not brought back yet. */
export interface Pending {
  readonly room: string;
  readonly user: string;
  readonly text: string;
  /** The idempotency key. It is the same for each attempt, so that the server stores the message only once. */
  readonly key: string;
  /**
   * `queued`: another message of the room comes first. `posting`: its POST is on its way. `stored`: the server has
   * stored it. `waiting`: the server was too busy, and there will be another attempt. `failed`: its sender has to
   * decide.
   */
  status: "queued" | "posting" | "stored" | "waiting" | "failed";
  /** When it was sent, in unix ms. */
  readonly sentAt: number;
  /** When the last attempt began, by `performance.now()`. */
  postedAt: number;
  /** The id, once the server has said it. */
  id?: string;
  /** Why the last attempt failed. */
  refusal?: Refusal;
  /** When the next attempt begins, in unix ms, if the message waits. */
  retryAt?: number;
  timer?: ReturnType<typeof setTimeout>;
  /** The pauses, if the server does not say how long to wait. */
  readonly backoff: Backoff;
}

interface OutboxCallbacks {
  /** The list of messages has changed, or the status of one of them. */
  changed(): void;
  /** A message took so many ms from its POST until the stream brought it. */
  measured(millis: number): void;
  /** The server has stored the message. The stream is to bring it under this id. */
  stored(pending: Pending, id: string): void;
  /** The server refused an attempt. The message now waits, or has failed. */
  refused(pending: Pending, refusal: Refusal): void;
}

/** How old a message may be that is posted again by itself. The server forgets its key after ten minutes. */
const REPOST_MS = 9 * 60_000;
/** How wrong a time of the server may be, after it was converted to the local clock. */
const CLOCK_SLACK_MS = 2_000;

/** Posts messages. Those of one room are posted one after another, so that they keep their order. */
export class Outbox {
  #pending: Pending[] = [];
  /** When the stream brought each id, by `performance.now()`. It may bring a message before the answer to its POST. */
  readonly #arrived = new Map<string, number>();
  readonly #callbacks: OutboxCallbacks;
  /** When a feed last became live, by `performance.now()`. */
  #liveAt = 0;

  constructor(callbacks: OutboxCallbacks) {
    this.#callbacks = callbacks;
  }

  in(room: string) {
    return this.#pending.filter((pending) => pending.room === room);
  }

  send(room: string, user: string, text: string) {
    const sentAt = Date.now();
    const backoff = new Backoff(REQUEST);
    const pending: Pending = { room, user, text, key: newId(), status: "queued", sentAt, postedAt: 0, backoff };
    this.#pending.push(pending);
    this.#callbacks.changed();
    this.#postNext(room);
  }

  /**
   * Another room is shown, or the stream left something out. It may never bring the stored messages, so they are
   * forgotten.
   */
  forgetStored() {
    this.#pending = this.#pending.filter(({ status }) => status !== "stored");
    this.#callbacks.changed();
  }

  /** A feed is live again. Messages that failed because there was no answer are posted again. */
  serverIsBack() {
    this.#liveAt = performance.now();
    for (const pending of this.#pending) if (mayPostAgain(pending)) this.retry(pending);
  }

  /** Posts a message again. */
  retry(pending: Pending) {
    delete pending.refusal;
    delete pending.retryAt;
    pending.status = "queued";
    this.#callbacks.changed();
    this.#postNext(pending.room);
  }

  discard(pending: Pending) {
    clearTimeout(pending.timer);
    this.#pending = this.#pending.filter((other) => other !== pending);
    this.#callbacks.changed();
    this.#postNext(pending.room);
  }

  /** The stream brought a message. It may be one of these, also if the answer with its id has not come yet. */
  arrived({ id, room, user, text, time }: Message) {
    const now = performance.now();
    if (this.#pending.some(({ status }) => status === "posting")) this.#arrived.set(id, now);
    else this.#arrived.clear();
    const at = (localTime(time) ?? Date.parse(time)) + CLOCK_SLACK_MS;
    // A message that is older than the one that was sent here is another one with the same text.
    const same = this.#pending.filter(
      (own) => own.room === room && own.user === user && own.text === text && own.sentAt <= at,
    );
    const own =
      this.#pending.find((pending) => pending.id === id) ??
      same.find(({ status }) => status === "posting") ??
      same.find(({ refusal }) => refusal?.isUncertain);
    if (own) this.#settle(own, now);
  }

  /** Posts the next message of a room, if none before it is on its way or waits. */
  #postNext(room: string) {
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
      else this.#callbacks.stored(pending, id);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      // If the stream has brought the message meanwhile, it was stored, and only the answer was lost.
      if (this.#pending.includes(pending)) this.#refuse(pending, error);
      // The server came back while this attempt was still without an answer.
      if (this.#liveAt > pending.postedAt && mayPostAgain(pending)) return this.retry(pending);
    }
    this.#callbacks.changed();
    this.#postNext(pending.room);
  }

  #refuse(pending: Pending, refusal: Refusal) {
    pending.refusal = refusal;
    pending.status = refusal.isPassing ? "waiting" : "failed";
    if (refusal.isPassing) {
      const { retryAfter } = refusal;
      const millis = retryAfter ? pauseAsked(retryAfter * 1_000) : pending.backoff.failed();
      pending.retryAt = Date.now() + millis;
      pending.timer = setTimeout(() => this.retry(pending), millis);
    }
    this.#callbacks.refused(pending, refusal);
  }

  #settle(pending: Pending, at: number) {
    if (!this.#pending.includes(pending)) return;
    this.#callbacks.measured(at - pending.postedAt);
    this.discard(pending);
  }
}

/** Whether the same message may be posted again: the server still knows its key, and may accept it this time. */
const mayPostAgain = ({ status, refusal, sentAt }: Pending) =>
  status === "failed" && refusal !== undefined && refusal.isUncertain && Date.now() - sentAt < REPOST_MS;
