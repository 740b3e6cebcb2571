/** POSTs to ssedge, and its refusals. */
import { retryAfterSecs } from "./ssedge-retry.js";

/** How long an answer may take; a POST that is repeated with its key is stored once. */
const ANSWER_MS = 30_000;

/** Why a request failed. */
export class Refusal extends Error {
  /** 0: there was no answer. */
  readonly status: number;
  /** What kind of problem the server calls it; empty if it does not say. */
  readonly kind: string;
  /** The field at fault, if the server named one. */
  readonly field: string | undefined;
  /** After how many seconds another attempt may go better, if the server said so. */
  readonly retryAfter: number | undefined;

  /** `problem` is the document (RFC 9457) of the answer, as far as there is one. */
  constructor(status: number, problem: unknown, retryAfter?: number) {
    const { type, detail, field } = (problem ?? {}) as Record<string, unknown>;
    super(typeof detail === "string" ? detail : "");
    this.status = status;
    this.kind = typeof type === "string" ? (type.split(":").at(-1) ?? "") : "";
    this.field = typeof field === "string" ? field : undefined;
    this.retryAfter = retryAfter;
  }

  /** What was posted may be stored all the same. */
  get isUncertain() {
    return this.status === 0 || this.status >= 500;
  }

  /** The server is only too busy: another attempt is worth it, and needs no change. */
  get isPassing() {
    return this.status === 429 || this.status === 503;
  }
}

/** Why the server refuses a token, or could not be asked; `undefined`: it takes it, also if it does not grant what is asked here. */
export async function whyNot(token: string): Promise<Refusal | undefined> {
  const headers = { Accept: "application/json", Authorization: `Bearer ${token}` };
  try {
    const answer = await fetch("/api/stock", { headers, cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
    const body: unknown = await answer.json().catch(() => undefined);
    return answer.ok || answer.status === 403 ? undefined : new Refusal(answer.status, body);
  } catch {
    return new Refusal(0, undefined);
  }
}

/** Posts a JSON text and gives back the stored entry. `key` is the same for every attempt. Fails with a `Refusal`. */
export async function post(url: string, body: string, key: string): Promise<{ id: string }> {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
  let response: Response;
  let answer: unknown;
  try {
    response = await fetch(url, { method: "POST", headers, body, signal: AbortSignal.timeout(ANSWER_MS) });
    // What stands before a server refuses in words of its own.
    answer = await response.json().catch(() => undefined);
  } catch {
    throw new Refusal(0, undefined);
  }
  if (response.ok && answer) return answer as { id: string };
  throw new Refusal(response.ok ? 0 : response.status, answer, retryAfterSecs(response.headers));
}
