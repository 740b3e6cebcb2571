/** What all panels do with the document. A text is always set as text, never as markup. */

/** The element of this selector. Without it the page cannot work, so it is an error if there is none. */
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

/** Says at a field what is wrong with it. With an empty text, nothing is wrong. */
export function showFieldProblem(field: HTMLInputElement | HTMLTextAreaElement, text: string) {
  const note = find(document, `#${field.getAttribute("aria-describedby")}`);
  note.textContent = text;
  if (text) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

/** The end of a list counts as in view when the list is scrolled to less than this above it. */
const AT_END_PX = 40;

const isAtEnd = (list: HTMLElement) => list.scrollHeight - list.scrollTop - list.clientHeight < AT_END_PX;

/** Runs `change`. If the end of a list was in view before, it is after, too. */
export function stickToEnd(list: HTMLElement, change: () => void) {
  const wasAtEnd = isAtEnd(list);
  change();
  if (wasAtEnd) list.scrollTop = list.scrollHeight;
}

/** Keeps the end of a list in view when the list becomes smaller, for example because a phone shows its keyboard. */
export function stickToEndWhenResized(list: HTMLElement) {
  let wasAtEnd = true;
  list.addEventListener("scroll", () => (wasAtEnd = isAtEnd(list)));
  new ResizeObserver(() => {
    if (wasAtEnd) list.scrollTop = list.scrollHeight;
  }).observe(list);
}

/**
 * Lines of a list. New ones are added at the end, and when there are too many, the first ones are removed. Lines that
 * come together, as a history does, are added together: to add each one alone would cost one layout each.
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

/** Values that are kept for the next visit. If the browser keeps nothing, everything else works all the same. */
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
      // The browser keeps nothing in its private mode, or has no space left.
    }
  },
};
