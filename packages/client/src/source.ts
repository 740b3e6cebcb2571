/** What is piped into a channel, read piece by piece as entries. */
import { type Draft, draft, isEventName } from "./draft.js";
import { Parser } from "./parser.js";

/** Something that gives pieces one after another: texts, bytes of a text, or values that JSON has. */
export type Source = AsyncIterable<unknown> | ReadableStream<unknown> | Response;

/** A source as a reader sees it. */
export interface Pieces {
  /** The next entries; perhaps none. `undefined` at the end. Throws what the source throws. */
  next(): Promise<Draft[] | undefined>;
  /** Nothing more is wanted. */
  cancel(reason: unknown): void;
}

/** Reads a source. Entries that do not have a name of their own are events of the name `event`. */
export function piecesOf(source: Source, event: string | undefined): Pieces {
  if (source instanceof Response) return ofResponse(source, event);
  const decode = decoder(event);
  if ("getReader" in source) return ofStream(source, decode);
  const iterator = source[Symbol.asyncIterator]();
  return {
    async next() {
      const { value, done } = await iterator.next();
      return done ? decode() : decode(value);
    },
    cancel: () => void iterator.return?.()?.catch(() => {}),
  };
}

type Decode = (piece?: unknown) => Draft[] | undefined;

function ofStream(stream: ReadableStream<unknown>, decode: Decode): Pieces {
  const reader = stream.getReader();
  return {
    async next() {
      const { value, done } = await reader.read();
      return done ? decode() : decode(value);
    },
    cancel: (reason) => void reader.cancel(reason).catch(() => {}),
  };
}

/** The events of an answer that is a stream of them; else its text. */
function ofResponse(response: Response, event: string | undefined): Pieces {
  const { body, headers, ok, status } = response;
  if (!ok || !body) {
    return {
      next: () => Promise.reject(new Error(ok ? "the response has no body" : `the response is no success (${status})`)),
      cancel: () => void body?.cancel().catch(() => {}),
    };
  }
  if (!headers.get("Content-Type")?.startsWith("text/event-stream")) return ofStream(body, decoder(event));
  const parser = new Parser();
  const utf8 = new TextDecoder();
  return ofStream(body, (piece) => {
    if (piece === undefined) return undefined;
    const blocks = parser.push(utf8.decode(piece as Uint8Array, { stream: true }));
    // A model's provider may send an event `error`, whose data is worth more than its name.
    const nameOf = (own: string) => (own === "message" ? event : isEventName(own) ? own : undefined);
    return blocks.flatMap(({ event: own, data }) => (data === undefined ? [] : [draft(data, nameOf(own))]));
  });
}

/** Makes entries of pieces. Bytes are those of a text, and a character may be cut between two pieces. */
function decoder(event: string | undefined): Decode {
  const utf8 = new TextDecoder();
  let isCut = false;
  return (piece) => {
    let value = piece;
    if (piece instanceof ArrayBuffer || ArrayBuffer.isView(piece)) {
      value = utf8.decode(piece as ArrayBuffer, { stream: true });
      isCut = true;
    } else if (piece === undefined) {
      const rest = isCut ? utf8.decode() : "";
      isCut = false;
      return rest === "" ? undefined : [draft(rest, event)];
    }
    return value === "" ? [] : [draft(value, event)];
  };
}
