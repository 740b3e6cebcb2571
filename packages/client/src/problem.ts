/** What a server answers when it does not give what was asked for: a problem document (RFC 9457). */

/** A problem document. A member that the server did not send is missing. */
export interface Problem {
  readonly type?: string;
  readonly title?: string;
  readonly detail?: string;
  /** The field of the request that is at fault. */
  readonly field?: string;
  readonly [member: string]: unknown;
}

/** The server refused a request. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  /** The status of the answer. */
  readonly status: number;
  /** The problem document of the answer; without members if the answer had none. */
  readonly problem: Problem;

  constructor(status: number, problem: Problem) {
    super(`${problem.detail ?? problem.title ?? "the server refused the request"} (${status})`);
    this.status = status;
    this.problem = problem;
  }

  /** The last part of the problem's type, for example `closed` or `forbidden`; empty if the answer had none. */
  get kind(): string {
    return kindOf(this.problem.type);
  }
}

/** The last part of a problem's type. */
export const kindOf = (type: unknown) => text(type)?.split(":").pop() ?? "";

/** The value, if it is a text. */
export const text = (value: unknown) => (typeof value === "string" ? value : undefined);

/** The members of a JSON object; none if the text is anything else. */
export function membersIn(json: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** The members of the JSON object that an answer has for a body, if it has one. */
export async function membersOf(answer: Response): Promise<Record<string, unknown>> {
  if (!answer.headers.get("Content-Type")?.includes("json")) {
    await answer.body?.cancel().catch(() => {});
    return {};
  }
  return membersIn(await answer.text().catch(() => ""));
}

/** The problem of an answer. A member of another type than it should have is left out. */
export function problemFrom(members: Record<string, unknown>): Problem {
  const named = ["type", "title", "detail", "field"].filter((name) => name in members);
  return { ...members, ...Object.fromEntries(named.map((name) => [name, text(members[name])])) };
}
