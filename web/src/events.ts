/** The events panel: ticks and notifications, by topic, and a form to publish one. */
import { post, Refusal } from "./api.js";
import { Badge } from "./badge.js";
import { complain, find, Lines, make } from "./dom.js";
import { follow } from "./feeds.js";
import type { Entry } from "./ssedge.js";
import { texts } from "./strings.js";

const HISTORY = 50;
/** Lines that are shown; older ones go. */
const LINES_MAX = 200;

/** An event of the feed: a tick, or a notification with what its publisher sent. */
type Data =
  | { type: "tick"; time: string }
  | { type: "notification"; id: string; topic: string; time: string; data: unknown };

export function startEvents() {
  const panel = find(document, "#events");
  const lines = new Lines(find(panel, ".log"), LINES_MAX);
  const filter = find<HTMLFormElement>(panel, "form.filter");
  const topics = find<HTMLInputElement>(filter, "[name=topics]");
  const ticks = find<HTMLInputElement>(filter, "[name=ticks]");
  const badge = new Badge(panel);
  const names = new Set<string>();

  function onEntry(entry: Entry) {
    const data = JSON.parse(entry.data) as Data;
    if (data.type === "tick") showTick(data.time);
    else showNotification(entry, data);
  }

  /** Ticks in a row share a line, or they would push all else out of it. */
  function showTick(time: string) {
    let line = lines.last;
    if (!line?.classList.contains("tick")) {
      line = make("li", "tick");
      line.append(make("span", "topic", "tick"), make("time"));
      lines.add(line);
    }
    find(line, "time").textContent = texts().clock(new Date(time));
  }

  function showNotification({ event }: Entry, { id, topic, time, data }: Data & { type: "notification" }) {
    const line = make("li", "notification");
    line.dataset.id = id;
    const topicName = make("span", "topic", topic);
    const body = make("code", "", JSON.stringify(data));
    body.dir = "auto";
    line.append(topicName);
    if (event !== "message") line.append(make("span", "name", event));
    line.append(make("time", "", texts().clock(new Date(time))), body);
    lines.add(line);
  }

  function open() {
    const query = new URLSearchParams({ history: String(HISTORY) });
    const chosen = topics.value.split(",").map((topic) => topic.trim()).filter(Boolean);
    if (chosen.length > 0) query.set("topics", chosen.join());
    if (!ticks.checked) query.set("tick", "off");
    lines.clear();
    follow("events", `/api/events?${query}`, { badge, onEntry }, { events: [...names] });
  }

  filter.onsubmit = (event) => {
    event.preventDefault();
    open();
  };
  ticks.onchange = open;
  open();

  startPublishing(find<HTMLFormElement>(panel, "form.publish"), (name) => {
    // An EventSource hears only of the types that it was told of.
    if (!name || names.has(name)) return;
    names.add(name);
    open();
  });
}

/** The form to publish with a token. `willPublish` hears the name of the event that is about to be sent. */
function startPublishing(form: HTMLFormElement, willPublish: (name: string) => void) {
  const field = <T extends HTMLInputElement | HTMLTextAreaElement>(name: string) => find<T>(form, `[name=${name}]`);
  const fields = {
    topic: field("topic"),
    event: field("event"),
    data: field("data"),
    token: field("token"),
  };
  const done = find(form, ".done");

  function fieldOf({ field, status }: Refusal) {
    if (status === 401 || status === 403) return fields.token;
    return field !== undefined && field in fields ? fields[field as keyof typeof fields] : fields.data;
  }

  form.onsubmit = async (event) => {
    event.preventDefault();
    for (const field of Object.values(fields)) complain(field, "");
    done.textContent = "";
    const name = fields.event.value.trim();
    try {
      JSON.parse(fields.data.value);
    } catch {
      complain(fields.data, texts().badJson);
      fields.data.focus();
      return;
    }
    // The data goes as it was written: a trip through a JavaScript number would change its digits.
    const head = JSON.stringify({ topic: fields.topic.value.trim(), ...(name && { event: name }) });
    const token = fields.token.value.trim();
    try {
      const body = `${head.slice(0, -1)},"data":${fields.data.value}}`;
      const { id } = await post("/api/events", body, token ? { Authorization: `Bearer ${token}` } : {});
      willPublish(name);
      done.textContent = texts().published(id);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { unreachable, refused } = texts();
      const field = fieldOf(error);
      complain(field, error.message || (error.status === 0 ? unreachable : refused(error.status)));
      field.focus();
    }
  };
}
