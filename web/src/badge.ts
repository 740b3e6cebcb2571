/** The state of a subscription, in words and always in view; and its gaps. */
import { find } from "./dom.js";
import type { Gap, State } from "./ssedge.js";
import { inEveryLanguage, texts } from "./strings.js";

export class Badge {
  readonly #panel: HTMLElement;
  readonly #output: HTMLElement;
  readonly #note: HTMLElement;
  #state: State = { name: "connecting" };
  #gap: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** The badge of a panel, which has an element `.state` and another `.gap`. */
  constructor(panel: HTMLElement) {
    this.#panel = panel;
    this.#output = find(panel, ".state");
    this.#note = find(panel, ".gap");
    inEveryLanguage(() => this.#render());
  }

  show(state: State) {
    this.#state = state;
    this.#render();
  }

  /** A gap is shown until the next one, or until the feed is chosen anew. */
  gap(gap: Gap | undefined) {
    this.#gap = gap?.reason;
    this.#render();
  }

  #render() {
    clearTimeout(this.#timer);
    const { reconnectingIn, states, gaps } = texts();
    let text = states[this.#state.name];
    if (this.#state.name === "reconnecting" && this.#state.at !== undefined) {
      const left = this.#state.at - Date.now();
      text = reconnectingIn(Math.max(0, Math.ceil(left / 1000)));
      if (left > 0) this.#timer = setTimeout(() => this.#render(), left % 1000 || 1000);
    }
    this.#panel.dataset.state = this.#state.name;
    if (this.#output.textContent !== text) this.#output.textContent = text;
    this.#note.hidden = !this.#gap;
    this.#note.textContent = this.#gap ? (this.#gap === "expired" ? gaps.expired : gaps.unknown) : "";
  }
}
