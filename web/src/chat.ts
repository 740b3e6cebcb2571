/** The chat panel: one room, by the page's URL. */
import { Badge } from "./badge.js";
import { complain, find, Lines, make, memory, stickToEnd } from "./dom.js";
import { follow } from "./feeds.js";
import { Outbox, type Message, type Pending } from "./outbox.js";
import type { Entry } from "./ssedge.js";
import { inEveryLanguage, texts } from "./strings.js";

const HISTORY = 50;
/** Messages that are shown; older ones go. */
const MESSAGES_MAX = 500;
export const ROOM = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** Starts the panel. `measured` hears how long a message took from its POST to its arrival. */
export function startChat(measured: (millis: number) => void) {
  const panel = find(document, "#chat");
  const waiting = find<HTMLOListElement>(panel, ".pending");
  const scroller = find(panel, ".scroller");
  const messages = new Lines(find(panel, ".messages"), MESSAGES_MAX, scroller);
  const live = find(panel, "[aria-live]");
  const form = find<HTMLFormElement>(panel, "form.say");
  const [user, text] = [find<HTMLInputElement>(form, "[name=user]"), find<HTMLTextAreaElement>(form, "[name=text]")];
  const roomForm = find<HTMLFormElement>(panel, "form.room");
  const roomField = find<HTMLInputElement>(roomForm, "input");
  const empty = find(panel, ".empty");
  const badge = new Badge(panel);
  const outbox = new Outbox(showPending, measured);
  let room = "";
  let openedAt = 0;

  function line({ user, text }: { user: string; text: string }): HTMLLIElement {
    const item = make("li");
    const name = make("bdi", "user", user);
    const words = make("p", "text", text);
    // Its own direction, whatever marks it holds, and no effect on its neighbours.
    words.dir = "auto";
    item.append(name, words);
    return item;
  }

  function onEntry({ data }: Entry) {
    const message = JSON.parse(data) as Message;
    outbox.arrived(message);
    const item = line(message);
    item.dataset.id = message.id;
    const time = make("time", "", texts().clock(new Date(message.time)));
    time.dateTime = message.time;
    find(item, ".user").after(time);
    messages.add(item);
    empty.hidden = true;
    // History is there to be read, not to be heard.
    if (Date.parse(message.time) >= openedAt) live.textContent = texts().said(message.user, message.text);
  }

  function showPending() {
    stickToEnd(scroller, () => waiting.replaceChildren(...outbox.in(room).map(pendingLine)));
  }

  function pendingLine(pending: Pending): HTMLLIElement {
    const item = line(pending);
    const { sending, retry, discard } = texts();
    if (!pending.refusal) {
      item.append(make("small", "", sending));
      return item;
    }
    item.dataset.failed = "";
    const [again, away] = [make("button", "quiet", retry), make("button", "quiet", discard)];
    again.type = away.type = "button";
    again.onclick = () => void outbox.attempt(pending).then(() => refuse(pending));
    away.onclick = () => {
      refuse(undefined);
      outbox.discard(pending);
    };
    item.append(make("small", "", reason(pending)), again, away);
    return item;
  }

  function reason({ refusal }: Pending): string {
    if (!refusal) return "";
    return refusal.message || (refusal.status === 0 ? texts().unreachable : texts().refused(refusal.status));
  }

  /** Says what was wrong at the field that the server named. */
  function refuse(pending: Pending | undefined) {
    const atUser = pending?.refusal?.field === "user";
    complain(user, pending && atUser ? reason(pending) : "");
    complain(text, pending && !atUser ? reason(pending) : "");
  }

  form.onsubmit = async (event) => {
    event.preventDefault();
    const words = text.value.trim();
    memory.set("user", user.value);
    text.value = "";
    text.focus();
    const pending = await outbox.send(room, user.value.trim(), words);
    refuse(pending);
    // What a field got wrong is put back, to be mended there.
    if (pending.refusal?.field && text.value === "") {
      text.value = words;
      outbox.discard(pending);
      (pending.refusal.field === "user" ? user : text).focus();
    }
  };
  text.onkeydown = (event) => {
    // An Enter that chooses a word of an input method is no end of a message.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  };
  user.value = memory.get("user") ?? `guest-${100 + Math.floor(Math.random() * 900)}`;

  roomForm.onsubmit = (event) => {
    event.preventDefault();
    location.hash = `#/chat/${encodeURIComponent(roomField.value.trim())}`;
  };

  inEveryLanguage(() => {
    showPending();
    if (roomField.getAttribute("aria-invalid")) complain(roomField, texts().badRoom);
  });

  /** Enters a room, if that is a name of one. */
  return function enter(name: string) {
    roomField.value = name;
    const isRoom = ROOM.test(name);
    complain(roomField, isRoom ? "" : texts().badRoom);
    if (!isRoom || name === room) return;
    room = name;
    openedAt = Date.now();
    messages.clear();
    live.textContent = "";
    empty.hidden = false;
    refuse(undefined);
    showPending();
    follow("chat", `/api/chat/${room}?history=${HISTORY}`, { badge, onEntry });
  };
}
