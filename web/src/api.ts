/** POSTs to ssedge, and its refusals. */

/** Why a POST failed. */
export class Refusal extends Error {
  /** 0: there was no answer. */
  readonly status: number;
  /** The field at fault, if the server named one. */
  readonly field: string | undefined;

  constructor(status: number, detail: string, field?: string) {
    super(detail);
    this.status = status;
    this.field = field;
  }
}

/** A problem document (RFC 9457), as far as it is shown. */
interface Problem {
  detail?: unknown;
  field?: unknown;
}

/** Posts a JSON text and gives back the stored entry. Fails with a `Refusal`, whose message is empty if nobody gave a reason. */
export async function post(url: string, body: string, headers: Record<string, string>): Promise<{ id: string }> {
  let response: Response;
  try {
    response = await fetch(url, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body });
  } catch {
    throw new Refusal(0, "");
  }
  const answer: unknown = await response.json().catch(() => ({}));
  if (response.ok) return answer as { id: string };
  const { detail, field } = (answer ?? {}) as Problem;
  throw new Refusal(
    response.status,
    typeof detail === "string" ? detail : "",
    typeof field === "string" ? field : undefined,
  );
}
