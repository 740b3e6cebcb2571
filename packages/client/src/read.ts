/**
 * Reads a feed by `fetch`, where there is no `EventSource` or where a header is needed: on servers.
 *
 * ```ts
 * for await (const { data } of read("https://live.example/api/channels/orders", { headers })) {
 *   handle(JSON.parse(data));
 * }
 * // The channel was closed.
 * ```
 *
 * When the connection breaks, or nothing comes any more, the loop goes on at its cursor, after the pause that the server
 * asked for, or after random pauses that grow.
 */
import { endOfEvent } from "./end.js";
import { pause } from "./pause.js";
import { atCursor, gapOf, Position } from "./position.js";
import { membersIn } from "./problem.js";
import { Backoff, pauseAsked, REQUEST } from "./retry.js";
import { type RequestOptions, Stream } from "./stream.js";
import type { End, Entry, Gap } from "./types.js";

export interface ReadOptions extends RequestOptions {
  /** Go on after this id. Without it, the feed starts as its URL says (for example with `history=`). */
  readonly cursor?: string;
  readonly onGap?: (gap: Gap) => void;
  /** The channel was closed, and all of its entries have come. */
  readonly onEnd?: (end: End) => void;
}

/** The pause after a stream that ended without having asked for one, in ms. */
const RETRY_MS = 2_000;
/** When a token expires sooner than this after its stream began, the next attempt is made after a pause. */
const BRIEF_MS = 1_000;

/**
 * The entries of a feed, in order and each once, until the channel is closed.
 *
 * The loop throws a `RefusedError` if the server refuses the request for good, a `RangeError` if an event is longer than
 * a mebibyte, and the reason of the signal when that is aborted.
 */
export function read(feed: string | URL, options: ReadOptions = {}): AsyncGenerator<Entry, End, void> {
  return follow(new URL(feed, globalThis.location?.href), options);
}

/** As `read`. If the first request was made already, `answered` is the answer to it. */
export async function* follow(feed: URL, options: ReadOptions, answered?: Response): AsyncGenerator<Entry, End, void> {
  const position = new Position(options.cursor);
  const backoff = new Backoff(REQUEST);
  const ended = (end: End) => {
    options.onEnd?.(end);
    return end;
  };
  let retry = RETRY_MS;
  for (;;) {
    const stream = new Stream(options.signal);
    let delay: number | undefined;
    try {
      const url = atCursor(feed, position.cursor);
      const instead = await (answered ? stream.take(answered, backoff) : stream.request(url, options, backoff));
      answered = undefined;
      if (instead && "end" in instead) {
        // The answer has no reason. It costs a request, which nobody needs who does not listen.
        return ended((options.onEnd && (await stream.reason(url, options))) ?? instead.end);
      }
      delay = instead?.delay;
      const openedAt = Date.now();
      for (let blocks = await stream.next(); blocks; blocks = await stream.next()) {
        backoff.succeeded();
        for (const { id, event, data } of blocks) {
          // A block without data moves the cursor alone. So does an entry, once it is handed over.
          if (data === undefined) position.cursor = id || position.cursor;
          else if (event === "expired") delay = Date.now() - openedAt < BRIEF_MS ? backoff.failed() : 0;
          else if (!position.reach({ id, event, data })) continue;
          else if (event === "end") return ended(endOfEvent(data));
          else if (event === "gap") options.onGap?.(gapOf({ id, event, data }));
          else if (event !== "cursor") yield { id, event, data };
          else stream.heartbeat(membersIn(data).heartbeat_secs);
        }
      }
      retry = stream.retry ?? retry;
      delay ??= stream.hasBegun ? pauseAsked(retry) : backoff.failed();
    } finally {
      stream.close();
    }
    await pause(delay, options.signal);
  }
}
