/** The events panel: ticks and notifications, by topic. */
import { Badge } from "./badge.js";
import { serverSaid } from "./clock.js";
import { find, Lines, make, memory } from "./dom.js";
import { follow } from "./feeds.js";
import { startPublishing } from "./publish.js";
import type { Entry } from "./ssedge.js";
import { texts } from "./strings.js";

const HISTORY = 50;
/** Lines that are shown; older ones go. */
const LINES_MAX = 200;

/** An event of the feed: a tick, or a notification with what its publisher sent. */
type Data =
  | { type: "tick"; time: string }
  | { type: "notification"; id: string; topic: string; time: string };

export function startEvents() {
  const panel = find(document, "#events");
  const lines = new Lines(find(panel, ".log"), LINES_MAX);
  const filter = find<HTMLFormElement>(panel, "form.filter");
  const topics = find<HTMLInputElement>(filter, "[name=topics]");
  const names = find<HTMLInputElement>(filter, "[name=names]");
  const ticks = find<HTMLInputElement>(filter, "[name=ticks]");
  const badge = new Badge(panel);

  function onEntry(entry: Entry) {
    const data = JSON.parse(entry.data) as Data;
    if (data.type === "tick") showTick(data.time);
    else showNotification(entry, data);
  }

  /** Ticks in a row share a line, or they would push all else out of it. */
  function showTick(time: string) {
    serverSaid(Date.parse(time));
    let line = lines.last;
    if (!line?.classList.contains("tick")) {
      line = make("li", "tick");
      const kind = make("span", "topic", texts().tick);
      kind.dataset.t = "tick";
      line.append(kind, make("time"));
      lines.add(line);
    }
    find(line, "time").textContent = texts().clock(new Date(time));
  }

  function showNotification({ event, data: json }: Entry, { id, topic, time }: Data & { type: "notification" }) {
    const line = make("li", "notification");
    line.dataset.id = id;
    line.append(make("span", "topic", topic));
    if (event !== "message") line.append(make("span", "name", event));
    const body = make("code", "", dataOf(json));
    body.dir = "auto";
    line.append(make("time", "", texts().clock(new Date(time))), body);
    lines.add(line);
  }

  function open() {
    const query = new URLSearchParams({ history: String(HISTORY) });
    const chosen = list(topics.value);
    if (chosen.length > 0) query.set("topics", chosen.join());
    if (!ticks.checked) query.set("tick", "off");
    memory.set("names", names.value);
    lines.clear();
    // An EventSource hears only of the types that it was told of.
    follow("events", `/api/events?${query}`, { badge, onEntry }, { events: list(names.value) });
  }

  names.value = memory.get("names") ?? "";
  filter.onsubmit = (event) => {
    event.preventDefault();
    open();
  };
  ticks.onchange = open;
  open();

  startPublishing(find<HTMLFormElement>(panel, "form.publish"), (name) => {
    if (!name || list(names.value).includes(name)) return;
    names.value = [...list(names.value), name].join(", ");
    open();
  });
}

/** What was published, as it was written: a trip through a JavaScript number would change its digits. It comes last. */
const dataOf = (notification: string) => notification.slice(notification.indexOf('"data":') + '"data":'.length, -1);

const list = (text: string) => text.split(",").map((part) => part.trim()).filter(Boolean);
