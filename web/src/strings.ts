/** The words of the page, in the language of its visitor. */
import type { Refusal } from "./api.js";
import { en, type Texts } from "./strings-en.js";
import { zh } from "./strings-zh.js";

const LANGUAGES = { en, zh } as const;
export type Language = keyof typeof LANGUAGES;

let current: Language = "en";
const listeners: (() => void)[] = [];

/** The words in the present language. */
export const texts = (): Texts => LANGUAGES[current];
export const language = (): Language => current;

/** Calls `render` now, and after each change of language. */
export function inEveryLanguage(render: () => void) {
  listeners.push(render);
  render();
}

export function setLanguage(language: Language) {
  current = language;
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  translate(document);
  for (const render of listeners) render();
}

/** Sets the words in the document. `data-t` names the text of an element, `data-t-<attribute>` that of an attribute. */
function translate(root: ParentNode) {
  for (const element of root.querySelectorAll<HTMLElement>("[data-t]")) {
    element.textContent = word(element.dataset.t);
  }
  for (const [key, attribute] of [["tLabel", "aria-label"], ["tPlaceholder", "placeholder"], ["tTitle", "title"]] as const) {
    for (const element of root.querySelectorAll<HTMLElement>(`[data-t-${attribute.replace("aria-", "")}]`)) {
      element.setAttribute(attribute, word(element.dataset[key]));
    }
  }
}

/** Why a request failed. If the page has no words of its own for that, they are the server's, in English. */
export function refusalText({ status, kind, field, message }: Refusal): string {
  const { problems, unreachable, refused } = texts();
  if (status === 0) return unreachable;
  return problems[`${kind} ${field}`] ?? problems[kind] ?? (message || refused(status));
}

function word(key = ""): string {
  const found = (texts() as Record<string, unknown>)[key];
  if (typeof found !== "string") throw new Error(`there is no text ${key}`);
  return found;
}
