/** The chat panel: one room, by the page's URL. */
import type { Refusal } from "./api.js";
import { Badge } from "./badge.js";
import { localTime } from "./clock.js";
import { complain, find, Lines, make, memory, stickToEndWhenResized } from "./dom.js";
import { feed, follow, onLive } from "./feeds.js";
import { Outbox, type Message, type Pending } from "./outbox.js";
import { messageLine, PendingList } from "./pending.js";
import { randomFraction } from "./ssedge-random.js";
import type { Entry } from "./ssedge.js";
import { inEveryLanguage, texts, whatIsWrong } from "./strings.js";
import { holder, onTokenChange } from "./token.js";

const HISTORY = 50;
/** Messages that are shown; older ones go. */
const MESSAGES_MAX = 500;
/** Messages that wait to be read aloud, or were. */
const SPOKEN_MAX = 5;
const LOBBY = "lobby";
/** The code of every key that an input method takes (UI Events, § 7.3.1). */
const COMPOSING = 229;
const ROOM = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** Starts the panel. `measured` hears how long a message took from its POST to its arrival. */
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
  const complaints = new Map<HTMLInputElement | HTMLTextAreaElement, () => string>();
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
    // History is there to be read, not to be heard.
    if ((localTime(message.time) ?? 0) >= openedAt) speak(texts().said(message.user, message.text));
  }

  /** A screen reader hears each, also those that come together. */
  function speak(words: string) {
    live.append(make("p", "", words));
    while (live.childElementCount > SPOKEN_MAX) live.firstElementChild?.remove();
  }

  function showPending() {
    pendingList.show(room);
    showEmpty();
  }

  /** Only who is connected knows that nobody has said anything. */
  function showEmpty() {
    empty.hidden = panel.dataset.state !== "live" || messages.last !== undefined || outbox.in(room).length > 0;
  }

  /** Says what is wrong at a field, in every language; without words, that nothing is. */
  function blame(field: HTMLInputElement | HTMLTextAreaElement, words?: () => string) {
    if (words) complaints.set(field, words);
    else complaints.delete(field);
    complain(field, words?.() ?? "");
  }

  /** Whoever may speak and not listen waits in vain. */
  function stored(pending: Pending, id: string) {
    if (pending.room === room) feed("chat")?.subscription.expect(id);
  }

  /** What a field got wrong is put back, to be mended there; anything else is said at the message. */
  function refused(pending: Pending, refusal: Refusal) {
    const field = { user, text }[refusal.field ?? ""];
    if (!field) return speak(whatIsWrong(refusal));
    blame(field, () => whatIsWrong(refusal));
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
    for (const field of [user, text]) blame(field);
    outbox.send(room, user.value.trim(), words);
  };
  text.onkeydown = (event) => {
    // An Enter that chooses a word of an input method is no end of a message. Safari says so by its code alone.
    const isComposing = event.isComposing || event.keyCode === COMPOSING;
    if (event.key !== "Enter" || event.shiftKey || isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  };

  const guest = `guest-${100 + Math.floor(randomFraction() * 900)}`;
  /** Who has a token with a name speaks by that one. */
  function nameUser() {
    const name = holder()?.sub;
    user.readOnly = name !== undefined;
    user.value = name ?? memory.get("user") ?? guest;
    blame(user);
  }
  nameUser();
  onTokenChange(nameUser);

  roomForm.onsubmit = (event) => {
    event.preventDefault();
    location.hash = `#/chat/${encodeURIComponent(roomField.value.trim())}`;
  };

  inEveryLanguage(() => complaints.forEach((words, field) => complain(field, words())));

  /** Enters a room, if that is a name of one; else stays, or starts in the lobby. */
  return function enter(name = LOBBY) {
    roomField.value = name;
    const isRoom = ROOM.test(name);
    blame(roomField, isRoom ? undefined : () => texts().badRoom);
    const next = isRoom ? name : room || LOBBY;
    if (next === room) return;
    room = next;
    openedAt = Date.now();
    messages.clear();
    live.replaceChildren();
    for (const field of [user, text]) blame(field);
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
