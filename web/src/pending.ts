/** The list of pending messages, below those that have arrived. */
import { find, make, stickToEnd } from "./dom.js";
import type { Outbox, Pending } from "./outbox.js";
import { inEveryLanguage, refusalText, texts } from "./strings.js";

/** The line of a message, arrived or pending. */
export function messageLine({ user, text }: { user: string; text: string }): HTMLLIElement {
  const item = make("li");
  const words = make("p", "text", text);
  // The text decides its direction by itself. Marks in it that set a direction have no effect on the elements around
  // it.
  words.dir = "auto";
  item.append(make("bdi", "user", user), words);
  return item;
}

export class PendingList {
  readonly #list: HTMLElement;
  readonly #scroller: HTMLElement;
  readonly #outbox: Outbox;
  /** Called when the sender has pressed a button of a message. */
  readonly #decided: () => void;
  readonly #lines = new Map<Pending, HTMLElement>();
  #room = "";

  constructor(list: HTMLElement, scroller: HTMLElement, outbox: Outbox, decided: () => void) {
    this.#list = list;
    this.#scroller = scroller;
    this.#outbox = outbox;
    this.#decided = decided;
    inEveryLanguage(() => {
      this.#lines.clear();
      this.#list.replaceChildren();
      this.show(this.#room);
    });
    setInterval(() => this.#updateCountdowns(), 500);
  }

  /** Shows the pending messages of a room. A line that has not changed stays: one of its buttons may have the focus. */
  show(room: string) {
    this.#room = room;
    const pending = this.#outbox.in(room);
    stickToEnd(this.#scroller, () => {
      for (const [shown, line] of this.#lines) {
        if (pending.includes(shown)) continue;
        line.remove();
        this.#lines.delete(shown);
      }
      for (const each of pending) this.#showOne(each);
    });
  }

  #showOne(pending: Pending) {
    const before = this.#lines.get(pending);
    if (before?.dataset.status === pending.status) return;
    const line = this.#line(pending);
    line.dataset.status = pending.status;
    this.#lines.set(pending, line);
    if (before) before.replaceWith(line);
    else this.#list.append(line);
  }

  #line(pending: Pending): HTMLLIElement {
    const item = messageLine(pending);
    item.append(make("small", "", statusText(pending)));
    if (pending.status !== "failed" && pending.status !== "waiting") return item;
    item.dataset.failed = "";
    if (pending.status === "failed") item.append(this.#button(texts().retry, () => this.#outbox.retry(pending)));
    item.append(this.#button(texts().discard, () => this.#outbox.discard(pending)));
    return item;
  }

  #button(text: string, act: () => void) {
    const button = make("button", "quiet", text);
    button.type = "button";
    button.onclick = () => {
      act();
      this.#decided();
    };
    return button;
  }

  #updateCountdowns() {
    for (const [pending, line] of this.#lines) {
      if (pending.status === "waiting") find(line, "small").textContent = statusText(pending);
    }
  }
}

/** The status of a message, in words. */
function statusText({ status, refusal, retryAt }: Pending): string {
  const { sending, stored, againIn } = texts();
  if (!refusal) return status === "stored" ? stored : sending;
  if (retryAt === undefined) return refusalText(refusal);
  return `${refusalText(refusal)} · ${againIn(Math.max(0, Math.ceil((retryAt - Date.now()) / 1000)))}`;
}
