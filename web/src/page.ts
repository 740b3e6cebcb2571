/** The page: four panels, and one URL for each (`#/stock`, `#/chat/lobby`, `#/events`, `#/wire`). */
import { startChat } from "./chat.js";
import { find } from "./dom.js";
import { startEvents } from "./events.js";
import { startSettings } from "./settings.js";
import { startStock } from "./stock.js";
import { startToken } from "./token.js";
import { startWire } from "./wire.js";

startSettings();
startToken();
const wire = startWire();
startStock();
const enter = startChat(wire.measured);
startEvents();

let shown = "";

/** Goes to the panel and the room that the URL names. */
function route(isStart: boolean) {
  const [, panel = "", room] = location.hash.split("/");
  if (panel === "chat" || isStart) enter(panel === "chat" && room ? decoded(room) : undefined);
  const section = document.getElementById(panel);
  if (!section) return;
  section.scrollIntoView({ block: "nearest" });
  // To go from one room to another does not move the focus.
  if (!isStart && panel !== shown) find(section, "h2").focus({ preventScroll: true });
  shown = panel;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

addEventListener("hashchange", () => route(false));
// A link leads to its panel, also when the URL already names that panel.
document.addEventListener("click", ({ target }) => {
  const link = target instanceof Element ? target.closest<HTMLAnchorElement>("a[href^='#/']") : null;
  if (!link) return;
  shown = "";
  if (link.hash === location.hash) route(false);
});
route(true);
