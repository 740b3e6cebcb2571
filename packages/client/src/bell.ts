/** Wakes whoever waits for a change. */
export class Bell {
  readonly #waiting = new Set<() => void>();

  ring() {
    for (const wake of this.#waiting) wake();
  }

  /** Waits until it rings, or for so many ms. */
  wait(millis?: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = millis === undefined ? undefined : setTimeout(wake, millis);
      this.#waiting.add(wake);
    });
  }
}
