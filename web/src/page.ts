/** The page: four panels, and one URL for each (`#/stock`, `#/chat/lobby`, `#/events`, `#/wire`). */
import { startChat } from "./chat.js";
import { find } from "./dom.js";
import { startEvents } from "./events.js";
import { startSettings } from "./settings.js";
import { startStock } from "./stock.js";
import { startWire } from "./wire.js";

startSettings();
const wire = startWire();
startStock();
const enter = startChat(wire.measured);
startEvents();

let shown = "";

/** Enters the room that the URL names, and goes to the panel that it names. */
function route(isStart: boolean) {
  const [, panel = "", room] = location.hash.split("/");
  if (panel === "chat" && room) enter(decoded(room));
  else if (isStart) enter("lobby");
  const section = document.getElementById(panel);
  if (!section) return;
  section.scrollIntoView({ block: "nearest" });
  // Who goes from room to room stays where they are.
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
route(true);
