/**
 * Whether something is tried again, and after what pause. All pauses before another attempt come from here.
 *
 * When a server goes down, it loses all its readers in the same moment. Pauses are random, so that they do not come
 * back in the same moment, too.
 */
import { randomFraction } from "./random.js";

/** Bounds of pauses that grow, in ms. */
export interface Bounds {
  /** No pause after the first failure is longer than this. Each further failure doubles it. */
  readonly first: number;
  /** No pause is longer than this, after however many failures. */
  readonly longest: number;
}

/** Before another request: a short fault of the network is over after a second, and a server that is down is not asked often. */
export const REQUEST: Bounds = { first: 1_000, longest: 30_000 };
/** Before an append is sent again: entries wait behind it. */
export const APPEND: Bounds = { first: 250, longest: 8_000 };
/** Before another question to the leader of the tabs. It costs no request, and nobody waits for it. */
export const QUESTION: Bounds = { first: 500, longest: 5_000 };
/**
 * Shortest and longest pause, in ms, when the server has no room: it asks for the same, in a `retry` that no page can
 * read.
 */
const FULL_MS = { shortest: 10_000, longest: 30_000 };
/** When the server asks for a pause, it is made longer by a random part of it, up to this. */
const ASKED_SPREAD = 1 / 4;
/** The longest pause that a server can ask for, in ms. Beyond 24 days a browser's timer would end at once. */
const ASKED_LONGEST_MS = 3_600_000;

/** Counts failures in a row, and says how long to pause after each. */
export class Backoff {
  readonly #bounds: Bounds;
  #failures = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  /** Whether the last attempt failed. */
  get hasFailed() {
    return this.#failures > 0;
  }

  /** An attempt failed: how many ms to pause. It is any time from 0 up to a bound that doubles ("full jitter"). */
  failed(): number {
    const { first, longest } = this.#bounds;
    const bound = Math.min(longest, first * 2 ** this.#failures);
    this.#failures += 1;
    return randomFraction() * bound;
  }

  /** An attempt succeeded: the next failure is the first one again. */
  succeeded() {
    this.#failures = 0;
  }
}

/** How many ms to pause when the server has no room. */
export const pauseWhenFull = () =>
  FULL_MS.shortest + randomFraction() * (FULL_MS.longest - FULL_MS.shortest);

/** How many ms to pause when the server asked for `millis`: never less, unless that is beyond an hour. */
export const pauseAsked = (millis: number) =>
  Math.min(ASKED_LONGEST_MS, millis * (1 + randomFraction() * ASKED_SPREAD));

/** For how many seconds the server asks to wait, if it does. A date, which HTTP allows too, is not understood. */
export function retryAfterSecs(headers: Headers): number | undefined {
  const seconds = Number(headers.get("Retry-After"));
  return seconds > 0 ? seconds : undefined;
}

/** Client errors after which the same request may succeed: a timeout, one that came too early, too many of them. */
const PASSING = [408, 425, 429];

/** Whether the server would refuse the same request again. */
export const isFinal = (status: number) => status >= 400 && status < 500 && !PASSING.includes(status);
