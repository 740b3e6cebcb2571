/** POSTs to the server, and why one failed. */
import { retryAfterSecs } from "../../packages/client/src/retry.js";

/**
 * How long an answer may take. A POST that was stored without an answer may be repeated with its key: it is stored
 * once.
 */
const ANSWER_MS = 30_000;

/** Why a request failed. */
export class Refusal extends Error {
  /** The status of the answer; 0 if there was none. */
  readonly status: number;
  /** The kind of problem, as the server names it; empty if it names none. */
  readonly kind: string;
  /** The field that is wrong, if the server named one. */
  readonly field: string | undefined;
  /** How many seconds to wait before another attempt, if the server said so. */
  readonly retryAfter: number | undefined;

  /** `problem` is the problem document (RFC 9457) of the answer, or anything else if the answer has none. */
  constructor(status: number, problem: unknown, retryAfter?: number) {
    const { type, detail, field } = (problem ?? {}) as Record<string, unknown>;
    super(typeof detail === "string" ? detail : "");
    this.status = status;
    this.kind = typeof type === "string" ? (type.split(":").at(-1) ?? "") : "";
    this.field = typeof field === "string" ? field : undefined;
    this.retryAfter = retryAfter;
  }

  /** Whether the server may have stored what was posted, although it did not say so. */
  get isUncertain() {
    return this.status === 0 || this.status >= 500;
  }

  /** Whether the server is only too busy, so that the same request may succeed later. */
  get isPassing() {
    return this.status === 429 || this.status === 503;
  }
}

/**
 * Asks the server about a token. `undefined`: the server accepts it. A 403 counts as accepted: the token is valid, but
 * does not grant this request. Otherwise, why the server refuses the token, or that there was no answer.
 */
export async function checkToken(token: string): Promise<Refusal | undefined> {
  const headers = { Accept: "application/json", Authorization: `Bearer ${token}` };
  try {
    const answer = await fetch("/api/stock", { headers, cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
    const body: unknown = await answer.json().catch(() => undefined);
    return answer.ok || answer.status === 403 ? undefined : new Refusal(answer.status, body);
  } catch {
    return new Refusal(0, undefined);
  }
}

/** Posts a JSON text and returns the stored entry. `key` is the same for each attempt. Throws a `Refusal`. */
export async function post(url: string, body: string, key: string): Promise<{ id: string }> {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
  let response: Response;
  let answer: unknown;
  try {
    response = await fetch(url, { method: "POST", headers, body, signal: AbortSignal.timeout(ANSWER_MS) });
    // A refusal that comes from a proxy need not be JSON.
    answer = await response.json().catch(() => undefined);
  } catch {
    throw new Refusal(0, undefined);
  }
  if (response.ok && answer) return answer as { id: string };
  throw new Refusal(response.ok ? 0 : response.status, answer, retryAfterSecs(response.headers));
}
