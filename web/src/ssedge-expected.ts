/** Entries that the server says it has stored, and that have not come back by the stream. */

/** How long one may take. */
const EXPECTED_MS = 5_000;
/** The newest ids that are remembered, for an answer that is slower than the stream. */
const IDS_MAX = 100;

export class Expected {
  /** Called when one has not come in time. */
  readonly #missed: () => unknown;
  readonly #waiting = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #came = new Set<string>();

  constructor(missed: () => unknown) {
    this.#missed = missed;
  }

  add(id: string) {
    if (this.#came.has(id) || this.#waiting.has(id)) return;
    const missed = () => {
      this.#waiting.delete(id);
      this.#missed();
    };
    this.#waiting.set(id, setTimeout(missed, EXPECTED_MS));
  }

  came(id: string) {
    clearTimeout(this.#waiting.get(id));
    this.#waiting.delete(id);
    this.#came.add(id);
    const [oldest] = this.#came;
    if (oldest !== undefined && this.#came.size > IDS_MAX) this.#came.delete(oldest);
  }

  clear() {
    this.#waiting.forEach((timer) => clearTimeout(timer));
    this.#waiting.clear();
  }
}
