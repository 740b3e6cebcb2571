/** The chat panel. It shows one room, which the URL of the page names. */
import { randomFraction } from "../../packages/client/src/random.js";
import type { Entry } from "../../packages/client/src/index.js";
import type { Refusal } from "./api.js";
import { Badge } from "./badge.js";
import { localTime } from "./clock.js";
import { find, Lines, make, memory, showFieldProblem, stickToEndWhenResized } from "./dom.js";
import { feed, follow, onLive } from "./feeds.js";
import { Outbox, type Message, type Pending } from "./outbox.js";
import { messageLine, PendingList } from "./pending.js";
import { inEveryLanguage, refusalText, texts } from "./strings.js";
import { holder, onTokenChange } from "./token.js";

const HISTORY = 50;
/** How many messages are shown. When there are more, the oldest are removed. */
const MESSAGES_MAX = 500;
/** How many messages are kept for a screen reader to read aloud. */
const READ_ALOUD_MAX = 5;
const LOBBY = "lobby";
/** The code of each key that an input method handles (UI Events, § 7.3.1). */
const COMPOSING = 229;
const ROOM = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** Starts the panel. `measured` is called with the ms that a message took from its POST to its arrival. */
export function startChat(measured: (millis: number) => void) {
  const panel = find(document, "#chat");
  const scroller = find(panel, ".scroller");
  const messages = new Lines(find(panel, ".messages"), MESSAGES_MAX, scroller);
  stickToEndWhenResized(scroller);
  const live = find(panel, "[aria-live]");
  const form = find<HTMLFormElement>(panel, "form.say");
  const [user, text] = [find<HTMLInputElement>(form, "[name=user]"), find<HTMLTextAreaElement>(form, "[name=text]")];
  const roomForm = find<HTMLFormElement>(panel, "form.room");
  const roomField = find<HTMLInputElement>(roomForm, "input");
  const empty = find(panel, ".empty");
  const badge = new Badge(panel);
  const outbox = new Outbox({ changed: showPending, measured, refused, stored });
  onLive(() => outbox.serverIsBack());
  const pendingList = new PendingList(find(panel, ".pending"), scroller, outbox, () => text.focus());
  const problems = new Map<HTMLInputElement | HTMLTextAreaElement, () => string>();
  let room = "";
  let openedAt = 0;

  function onEntry({ data }: Entry) {
    const message = JSON.parse(data) as Message;
    outbox.arrived(message);
    const item = messageLine(message);
    item.dataset.id = message.id;
    const time = make("time", "", texts().clock(new Date(message.time)));
    time.dateTime = message.time;
    find(item, ".user").after(time);
    messages.add(item);
    empty.hidden = true;
    // Only new messages are read aloud, not the history.
    if ((localTime(message.time) ?? 0) >= openedAt) readAloud(texts().said(message.user, message.text));
  }

  /** Has a screen reader read these words aloud. Each call adds a line, so words that come together are all read. */
  function readAloud(words: string) {
    live.append(make("p", "", words));
    while (live.childElementCount > READ_ALOUD_MAX) live.firstElementChild?.remove();
  }

  function showPending() {
    pendingList.show(room);
    showEmpty();
  }

  /** Shows that the room is empty, if that is certain: there is a connection and no message. */
  function showEmpty() {
    empty.hidden = panel.dataset.state !== "live" || messages.last !== undefined || outbox.in(room).length > 0;
  }

  /** Says at a field what is wrong with it, also after a change of language. Without words, nothing is wrong. */
  function showProblem(field: HTMLInputElement | HTMLTextAreaElement, words?: () => string) {
    if (words) problems.set(field, words);
    else problems.delete(field);
    showFieldProblem(field, words?.() ?? "");
  }

  /**
   * The server has stored a message of this room, so the feed is to bring it. Somebody who may post here but not read
   * has no feed, and waits for nothing.
   */
  function stored(pending: Pending, id: string) {
    if (pending.room === room) feed("chat")?.subscription.expect(id);
  }

  /**
   * The server has refused a message. If a field is wrong, its text goes back into the form, so that it can be changed
   * there. Everything else is said at the message.
   */
  function refused(pending: Pending, refusal: Refusal) {
    const field = { user, text }[refusal.field ?? ""];
    if (!field) return readAloud(refusalText(refusal));
    showProblem(field, () => refusalText(refusal));
    if (text.value || pending.room !== room) return;
    text.value = pending.text;
    outbox.discard(pending);
    field.focus();
  }

  form.onsubmit = (event) => {
    event.preventDefault();
    const words = text.value.trim();
    if (!user.readOnly) memory.set("user", user.value);
    text.value = "";
    text.focus();
    for (const field of [user, text]) showProblem(field);
    outbox.send(room, user.value.trim(), words);
  };
  text.onkeydown = (event) => {
    // With an input method, Enter may choose a word and does not end the message. Safari shows that by the key code
    // only.
    const isComposing = event.isComposing || event.keyCode === COMPOSING;
    if (event.key !== "Enter" || event.shiftKey || isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  };

  const guest = `guest-${100 + Math.floor(randomFraction() * 900)}`;
  /** Somebody whose token has a name uses that name. */
  function nameUser() {
    const name = holder()?.sub;
    user.readOnly = name !== undefined;
    user.value = name ?? memory.get("user") ?? guest;
    showProblem(user);
  }
  nameUser();
  onTokenChange(nameUser);

  roomForm.onsubmit = (event) => {
    event.preventDefault();
    location.hash = `#/chat/${encodeURIComponent(roomField.value.trim())}`;
  };

  inEveryLanguage(() => problems.forEach((words, field) => showFieldProblem(field, words())));

  /**
   * Enters the room of this name. If it is not a name of a room, stays in the present one, or else enters the lobby.
   */
  return function enter(name = LOBBY) {
    roomField.value = name;
    const isRoom = ROOM.test(name);
    showProblem(roomField, isRoom ? undefined : () => texts().badRoom);
    const next = isRoom ? name : room || LOBBY;
    if (next === room) return;
    room = next;
    openedAt = Date.now();
    messages.clear();
    live.replaceChildren();
    for (const field of [user, text]) showProblem(field);
    outbox.forgetStored();
    find<HTMLAnchorElement>(document, "nav [data-t=chat]").hash = `#/chat/${room}`;
    follow("chat", `/api/chat/${room}?history=${HISTORY}`, {
      badge,
      onEntry,
      onGap: () => outbox.forgetStored(),
      onState: showEmpty,
    });
  };
}
