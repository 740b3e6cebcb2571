/** The few things that every panel does with the document. Text is only ever set as text. */

/** The element that the document has to have. */
export function find<T extends HTMLElement>(parent: ParentNode, selector: string): T {
  const element = parent.querySelector<T>(selector);
  if (!element) throw new Error(`the page has no ${selector}`);
  return element;
}

/** A new element with a class and a text. */
export function make<K extends keyof HTMLElementTagNameMap>(tag: K, className = "", text = ""): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

/** Says at a field what is wrong with it, or with an empty text that nothing is. */
export function complain(field: HTMLInputElement | HTMLTextAreaElement, text: string) {
  const note = find(document, `#${field.getAttribute("aria-describedby")}`);
  note.textContent = text;
  if (text) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

/** A list that is scrolled to less than this above its end counts as scrolled to its end. */
const AT_END_PX = 40;

const isAtEnd = (list: HTMLElement) => list.scrollHeight - list.scrollTop - list.clientHeight < AT_END_PX;

/** Runs `change`, and keeps the end of a scrolled list in view if it was. */
export function stickToEnd(list: HTMLElement, change: () => void) {
  const wasAtEnd = isAtEnd(list);
  change();
  if (wasAtEnd) list.scrollTop = list.scrollHeight;
}

/** Keeps the end of a list in view when the list itself shrinks: above the keyboard of a phone, or below a longer state. */
export function stickToEndWhenResized(list: HTMLElement) {
  let wasAtEnd = true;
  list.addEventListener("scroll", () => (wasAtEnd = isAtEnd(list)));
  new ResizeObserver(() => {
    if (wasAtEnd) list.scrollTop = list.scrollHeight;
  }).observe(list);
}

/**
 * Lines that are added at the end of a list and leave at its beginning. Those that come in a burst, as history does,
 * are added together: each alone would cost a layout.
 */
export class Lines {
  readonly #list: HTMLElement;
  readonly #scroller: HTMLElement;
  readonly #max: number;
  #waiting: HTMLElement[] = [];
  /** The newest line, shown or about to be. */
  last: HTMLElement | undefined;

  constructor(list: HTMLElement, max: number, scroller = list) {
    this.#list = list;
    this.#max = max;
    this.#scroller = scroller;
  }

  add(line: HTMLElement) {
    this.last = line;
    if (this.#waiting.push(line) === 1) setTimeout(() => this.#show());
  }

  clear() {
    this.#waiting = [];
    this.#list.replaceChildren();
    this.last = undefined;
  }

  #show() {
    const lines = this.#waiting.slice(-this.#max);
    this.#waiting = [];
    stickToEnd(this.#scroller, () => {
      this.#list.append(...lines);
      while (this.#list.childElementCount > this.#max) this.#list.firstElementChild?.remove();
    });
  }
}

/** Values kept for the next visit; a browser that keeps nothing loses only that. */
export const memory = {
  get(key: string): string | null {
    try {
      return localStorage.getItem(`ssedge.${key}`);
    } catch {
      return null;
    }
  },
  set(key: string, value: string) {
    try {
      localStorage.setItem(`ssedge.${key}`, value);
    } catch {
      // Private mode, or full.
    }
  },
};
