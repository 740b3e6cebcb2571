/** Entries that the server has stored, and that the stream has not brought yet. */

/** How long the stream may take to bring an entry. */
const EXPECTED_MS = 5_000;
/** How many of the newest ids are remembered: the stream may bring an entry before the answer to its POST. */
const ARRIVED_MAX = 100;

export class Expected {
  /** Called when an entry has not come in time. */
  readonly #onMissing: () => unknown;
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #arrived = new Set<string>();

  constructor(onMissing: () => unknown) {
    this.#onMissing = onMissing;
  }

  /** The entry with this id is stored. */
  add(id: string) {
    if (this.#arrived.has(id) || this.#timers.has(id)) return;
    const expire = () => {
      this.#timers.delete(id);
      this.#onMissing();
    };
    this.#timers.set(id, setTimeout(expire, EXPECTED_MS));
  }

  /** The stream has brought the entry with this id. */
  arrived(id: string) {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.#arrived.add(id);
    const [oldest] = this.#arrived;
    if (oldest !== undefined && this.#arrived.size > ARRIVED_MAX) this.#arrived.delete(oldest);
  }

  clear() {
    this.#timers.forEach((timer) => clearTimeout(timer));
    this.#timers.clear();
  }
}
