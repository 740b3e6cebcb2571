/** How a reader hears that a channel was closed: by the event `end`, or by an answer without a stream. */
import { kindOf, membersIn, text } from "./problem.js";
import type { End } from "./types.js";

const UNTOLD: End = { reason: undefined, last: undefined };

/** What the event `end` says. */
export function endOfEvent(data: string): End {
  const { reason, last } = membersIn(data);
  return { reason: text(reason), last: text(last) };
}

/**
 * Whether an answer, with this JSON, says that the channel has ended: a `204`; a `410` on a host that cannot answer
 * without a body; or the entries behind the cursor as JSON, of which there are none and will be none.
 */
export function endOfAnswer(status: number, members: Record<string, unknown>): End | undefined {
  if (status === 204) return UNTOLD;
  const { type, cursor, closed, entries } = members;
  if (status === 410 && kindOf(type) === "ended") return UNTOLD;
  const isAll = Array.isArray(entries) && entries.length === 0;
  if (status !== 200 || !isAll || typeof closed !== "object" || closed === null) return undefined;
  return { reason: text((closed as { reason?: unknown }).reason), last: text(cursor) };
}
