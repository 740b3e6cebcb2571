/** The messages that are on their way, under those that have arrived. */
import { find, make, stickToEnd } from "./dom.js";
import type { Outbox, Pending } from "./outbox.js";
import { inEveryLanguage, texts, whatIsWrong } from "./strings.js";

/** The line of a message, whether it has arrived or not. */
export function messageLine({ user, text }: { user: string; text: string }): HTMLLIElement {
  const item = make("li");
  const words = make("p", "text", text);
  // Its own direction, whatever marks it holds, and no effect on its neighbours.
  words.dir = "auto";
  item.append(make("bdi", "user", user), words);
  return item;
}

export class PendingList {
  readonly #list: HTMLElement;
  readonly #scroller: HTMLElement;
  readonly #outbox: Outbox;
  /** Called when the sender has decided on a message. */
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
    setInterval(() => this.#count(), 500);
  }

  /** Shows what is pending in a room. A line that says the same stays: a button of it may have the focus. */
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
    item.append(make("small", "", standing(pending)));
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

  #count() {
    for (const [pending, line] of this.#lines) {
      if (pending.status === "waiting") find(line, "small").textContent = standing(pending);
    }
  }
}

/** How a message stands, in words. */
function standing({ status, refusal, againAt }: Pending): string {
  const { sending, stored, againIn } = texts();
  if (!refusal) return status === "stored" ? stored : sending;
  if (againAt === undefined) return whatIsWrong(refusal);
  return `${whatIsWrong(refusal)} · ${againIn(Math.max(0, Math.ceil((againAt - Date.now()) / 1000)))}`;
}
