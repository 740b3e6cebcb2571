/** Chat messages on their way: each is pending until it comes back by the stream. */
import { post, Refusal } from "./api.js";

/** A message as the feed sends it. */
export interface Message {
  readonly id: string;
  readonly room: string;
  readonly user: string;
  readonly text: string;
  readonly time: string;
}

/** A message that was posted here and has not come back yet. */
export interface Pending {
  readonly room: string;
  readonly user: string;
  readonly text: string;
  /** The same for every attempt, so that a server that knows it stores the message once. */
  readonly key: string;
  /** When the last attempt began, by `performance.now()`. */
  postedAt: number;
  /** The id, once the server has said it. */
  id?: string;
  /** Why the last attempt failed. */
  refusal?: Refusal;
}

/** Visible ASCII that no other message has, also where `randomUUID` is not to be had. */
const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export class Outbox {
  #pending: Pending[] = [];
  /** Ids that arrived while a POST was on its way, for an answer that is slower than the stream. */
  readonly #arrived = new Map<string, number>();
  readonly #changed: () => void;
  readonly #measured: (millis: number) => void;

  /** `changed`: the list is another. `measured`: how long a message took from its POST to its arrival. */
  constructor(changed: () => void, measured: (millis: number) => void) {
    this.#changed = changed;
    this.#measured = measured;
  }

  in(room: string) {
    return this.#pending.filter((pending) => pending.room === room);
  }

  async send(room: string, user: string, text: string) {
    const pending: Pending = { room, user, text, key: newKey(), postedAt: 0 };
    this.#pending.push(pending);
    await this.attempt(pending);
    return pending;
  }

  /** Posts it, for the first time or again. */
  async attempt(pending: Pending) {
    delete pending.refusal;
    pending.postedAt = performance.now();
    this.#changed();
    try {
      const body = JSON.stringify({ user: pending.user, text: pending.text });
      const { id } = await post(`/api/chat/${pending.room}`, body, { "Idempotency-Key": pending.key });
      pending.id = id;
      const arrivedAt = this.#arrived.get(id);
      if (arrivedAt !== undefined) this.#settle(pending, arrivedAt);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      pending.refusal = error;
    }
    this.#changed();
  }

  discard(pending: Pending) {
    this.#pending = this.#pending.filter((other) => other !== pending);
    this.#changed();
  }

  /** The stream brought a message, perhaps one of these; its id may be told by the answer only later. */
  arrived({ id, room, user, text }: Message) {
    if (this.#pending.length === 0) return this.#arrived.clear();
    const now = performance.now();
    this.#arrived.set(id, now);
    const isSame = (pending: Pending) =>
      pending.room === room && pending.user === user && pending.text === text && pending.id === undefined;
    const own = this.#pending.find((pending) => pending.id === id) ?? this.#pending.find(isSame);
    if (own) this.#settle(own, now);
  }

  #settle(pending: Pending, at: number) {
    if (!this.#pending.includes(pending)) return;
    this.#measured(at - pending.postedAt);
    this.discard(pending);
  }
}
