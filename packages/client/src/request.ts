/** A request that is repeated until it is answered for good. */
import { pause } from "./pause.js";
import { membersOf, problemFrom, RefusedError } from "./problem.js";
import { APPEND, Backoff, isFinal, pauseAsked, retryAfterSecs } from "./retry.js";

/** For how long a request is repeated, in ms. A server remembers an `Idempotency-Key` for ten minutes. */
const RETRY_FOR_MS = 60_000;
/** How long the server may take for one answer, in ms. */
const ANSWER_MS = 30_000;

/** What the server answered. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The members of its JSON; none if it has no JSON. */
  readonly members: Record<string, unknown>;
}

/** What is asked, and how. */
export interface Question {
  readonly url: URL;
  /** What is sent; asked anew for each attempt. */
  readonly init: () => Promise<RequestInit>;
  readonly fetch: typeof fetch;
  readonly signal: AbortSignal | undefined;
}

/**
 * Makes a request that may be repeated, and repeats it after a fault that may pass: no answer, `429`, `503` and the like.
 *
 * Throws a `RefusedError` if the server refuses it, also because it was too busy for a minute; what `fetch` throws if
 * there was no answer for a minute; and the reason of the signal when that is aborted.
 */
export async function request(question: Question): Promise<Answer> {
  const { signal } = question;
  const backoff = new Backoff(APPEND);
  const until = Date.now() + RETRY_FOR_MS;
  for (;;) {
    signal?.throwIfAborted();
    const init = await question.init();
    const answer = await attempt(question, init).catch((error: unknown) => ({ error }));
    signal?.throwIfAborted();
    let failure: unknown;
    let asked: number | undefined;
    if ("error" in answer) failure = answer.error;
    else {
      const { status, headers, members } = answer;
      if (status < 300) return answer;
      failure = new RefusedError(status, problemFrom(members));
      if (isFinal(status)) throw failure;
      const seconds = retryAfterSecs(headers);
      asked = seconds && pauseAsked(seconds * 1_000);
    }
    const delay = asked ?? backoff.failed();
    if (Date.now() + delay > until) throw failure;
    await pause(delay, signal);
  }
}

/** One attempt, with the answer read to its end. */
async function attempt({ url, fetch, signal }: Question, init: RequestInit): Promise<Answer> {
  const abort = new AbortController();
  const stop = () => abort.abort(signal?.reason);
  signal?.addEventListener("abort", stop);
  const tooLate = () => abort.abort(new Error(`the server did not answer for ${ANSWER_MS / 1_000} s`));
  const timer = setTimeout(tooLate, ANSWER_MS);
  const aborted = new Promise<never>((_, reject) => {
    abort.signal.addEventListener("abort", () => reject(abort.signal.reason as Error));
  });
  const answered = async () => {
    const answer = await fetch.call(globalThis, url, { ...init, signal: abort.signal });
    return { status: answer.status, headers: answer.headers, members: await membersOf(answer) };
  };
  try {
    return await Promise.race([answered(), aborted]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}
