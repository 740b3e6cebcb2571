/** The events panel: ticks and notifications, by topic. */
import type { Entry } from "../../packages/client/src/index.js";
import { Badge } from "./badge.js";
import { serverSaidTime } from "./clock.js";
import { find, Lines, make, memory } from "./dom.js";
import { follow } from "./feeds.js";
import { startPublishing } from "./publish.js";
import { texts } from "./strings.js";

const HISTORY = 50;
/** How many lines are shown. When there are more, the oldest are removed. */
const LINES_MAX = 200;

/** An event of the feed: a tick, or a notification with the data of its publisher. */
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

  /** Shows a tick. Ticks in a row share one line, since otherwise they would soon be all that the list shows. */
  function showTick(time: string) {
    serverSaidTime(Date.parse(time));
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
    // An EventSource reports only the event types that it was told.
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

/**
 * The data of a notification exactly as its publisher wrote it. To parse it and write it again could change the digits
 * of numbers. It is the last member of the notification.
 */
const dataOf = (notification: string) => notification.slice(notification.indexOf('"data":') + '"data":'.length, -1);

const list = (text: string) => text.split(",").map((part) => part.trim()).filter(Boolean);
