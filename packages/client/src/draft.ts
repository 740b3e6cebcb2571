/** Entries before they are stored, as a request carries them: each is a block of server-sent events. */

/** The most bytes of an entry: the bound of the server. */
export const ENTRY_BYTES = 16 * 1024;
/** The most bytes of a request's body: the bound of the server. */
export const REQUEST_BYTES = 64 * 1024;
/** The most entries of a request: the bound of the server. */
export const REQUEST_ENTRIES = 500;

/** What the name of an event or a key may be. A name with a line end would begin a line of its own. */
const NAME = /^[A-Za-z0-9_.-]{1,64}$/;
const CHARACTERS = "the characters A-Z a-z 0-9 _ . -";
/** Names of events that are those of the protocol, or that an `EventSource` has for itself. */
const RESERVED = ["cursor", "end", "error", "expired", "gap", "open"];

const utf8 = new TextEncoder();

/** An entry, ready to be sent. */
export interface Draft {
  readonly block: string;
  /** Of the block. */
  readonly bytes: number;
}

/**
 * What is appended: a text is sent as it is, line by line; any other value as JSON. A text that is JSON already stays
 * JSON.
 */
export function draft(data: unknown, event?: string): Draft {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  if (text === undefined) throw new TypeError("an entry has to be a text or a value that JSON has");
  const bytes = utf8.encode(text).length;
  if (bytes > ENTRY_BYTES) throw new RangeError(`an entry has ${bytes} bytes, and may have ${ENTRY_BYTES} at most`);
  const block = encode(text, event && checkEvent(event));
  const size = utf8.encode(block).length;
  if (size > REQUEST_BYTES) {
    throw new RangeError(`an entry has so many lines that it takes ${size} bytes, and may take ${REQUEST_BYTES} at most`);
  }
  return { block, bytes: size };
}

/** A block of server-sent events. */
export function encode(text: string, event?: string): string {
  const lines = text.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  return `${event ? `event: ${event}\n` : ""}${lines.join("")}\n`;
}

/** Whether an entry may have this for the name of its event. */
export const isEventName = (name: string) => NAME.test(name) && !RESERVED.includes(name);

/** The name of an event, if it may be one. */
export function checkEvent(name: string): string {
  if (isEventName(name)) return name;
  throw new TypeError(`event: must be 1 to 64 of ${CHARACTERS}, and none of ${RESERVED.join(", ")}`);
}

/** The key, if it is one. */
export function checkKey(key: string): string {
  if (!NAME.test(key)) throw new TypeError(`key: must be 1 to 64 of ${CHARACTERS}`);
  return key;
}
