/** The head of a panel: the state of its subscription in words, its last gap, and why the server refused it. */
import type { Closed, Gap, State } from "../../packages/client/src/index.js";
import { Refusal } from "./api.js";
import { find } from "./dom.js";
import { inEveryLanguage, refusalText, texts } from "./strings.js";

/** Whether the server refused the token. The page says that once for all feeds, at the button of the token. */
export const isTokenRefused = (state: State): state is Closed & { reason: "refused" } =>
  state.name === "closed" && state.reason === "refused" && state.status === 401;

export class Badge {
  readonly #panel: HTMLElement;
  readonly #output: HTMLElement;
  readonly #note: HTMLElement;
  readonly #refused: HTMLElement;
  readonly #now: HTMLButtonElement;
  #state: State = { name: "connecting" };
  #gap: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Subscribes to the feed again, at its cursor. */
  followAgain = () => {};
  /**
   * Connects anew at once. Without this, it happens when the pause is over, or when a silent connection counts as dead.
   */
  reconnectNow = () => {};

  /** The badge of a panel, which has elements `.state`, `.now`, `.gap` and `.refused`. */
  constructor(panel: HTMLElement) {
    this.#panel = panel;
    this.#output = find(panel, ".state");
    this.#note = find(panel, ".gap");
    this.#refused = find(panel, ".refused");
    find<HTMLButtonElement>(this.#refused, "button").onclick = () => {
      this.followAgain();
      find(panel, "h2").focus();
    };
    this.#now = find<HTMLButtonElement>(panel, ".now");
    this.#now.onclick = () => {
      this.reconnectNow();
      find(panel, "h2").focus();
    };
    inEveryLanguage(() => this.#render());
  }

  show(state: State) {
    this.#state = state;
    this.#render();
  }

  /** Shows a gap, until there is another one, or until another feed is followed here. */
  gap(gap: Gap | undefined) {
    this.#gap = gap?.reason;
    this.#render();
  }

  #render() {
    clearTimeout(this.#timer);
    const { gaps } = texts();
    const text = this.#text();
    const isSilent = this.#state.name === "live" && this.#state.silentSince !== undefined;
    this.#panel.dataset.state = isSilent ? "silent" : this.#state.name;
    const isPause = this.#state.name === "reconnecting" && this.#state.at !== undefined;
    this.#now.hidden = !isSilent && !isPause;
    if (this.#output.textContent !== text) this.#output.textContent = text;
    this.#note.hidden = !this.#gap;
    this.#note.textContent = this.#gap ? (this.#gap === "expired" ? gaps.expired : gaps.unknown) : "";
    this.#renderRefusal();
  }

  #text(): string {
    const { reconnectingIn, silentFor, states, reasons } = texts();
    if (this.#state.name === "live" && this.#state.silentSince !== undefined) {
      const silence = Date.now() - this.#state.silentSince;
      this.#timer = setTimeout(() => this.#render(), 1000 - (silence % 1000));
      return silentFor(Math.floor(silence / 1000));
    }
    if (this.#state.name !== "reconnecting") return states[this.#state.name];
    const { at, reason } = this.#state;
    let text: string = states.reconnecting;
    if (at !== undefined) {
      const left = at - Date.now();
      text = reconnectingIn(Math.max(0, Math.ceil(left / 1000)));
      if (left > 0) this.#timer = setTimeout(() => this.#render(), left % 1000 || 1000);
    }
    return reason ? `${reasons[reason]} · ${text}` : text;
  }

  #renderRefusal() {
    const state = this.#state;
    const isRefused = state.name === "closed" && state.reason === "refused";
    this.#refused.hidden = !isRefused;
    const words = find(this.#refused, "[role=status]");
    words.textContent = isRefused && !isTokenRefused(state) ? refusalText(new Refusal(state.status, state)) : "";
  }
}
