/** Language and theme. Until somebody chooses one here, the settings of the browser decide. */
import { find, memory } from "./dom.js";
import { inEveryLanguage, language, setLanguage, texts } from "./strings.js";

const THEMES = ["auto", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];

let theme: Theme = "auto";
const listeners: (() => void)[] = [];

/** `listener` is called when the colours change: the chart has to be drawn anew. */
export const onThemeChange = (listener: () => void) => void listeners.push(listener);

function setTheme(next: Theme) {
  theme = next;
  document.documentElement.dataset.theme = next;
  for (const listener of listeners) listener();
}

function preferredLanguage() {
  const chosen = memory.get("language");
  if (chosen === "en" || chosen === "zh") return chosen;
  const spoken = navigator.languages.find((tag) => /^(zh|en)\b/i.test(tag));
  return spoken?.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export function startSettings() {
  setLanguage(preferredLanguage());
  setTheme(THEMES.find((name) => name === memory.get("theme")) ?? "auto");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(theme));

  const languageButton = find<HTMLButtonElement>(document, "#language");
  languageButton.onclick = () => {
    setLanguage(language() === "en" ? "zh" : "en");
    memory.set("language", language());
  };

  const themeButton = find<HTMLButtonElement>(document, "#theme");
  const label = () => {
    find(themeButton, "span").textContent = texts().themeNames[theme];
    themeButton.setAttribute("aria-label", `${texts().theme}: ${texts().themeNames[theme]}`);
  };
  inEveryLanguage(label);
  themeButton.onclick = () => {
    setTheme(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "auto");
    memory.set("theme", theme);
    label();
  };
}
