// Tokens as somebody's server would make them: JSON Web Tokens signed with HS256 (RFC 7519).
import { createHmac } from "node:crypto";

/** The key of every host under test. */
export const SECRET = "the key of hosts that are only tested";

/** For clocks that differ, a token is taken for so many seconds after its end. */
const LEEWAY = 30;

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
export const now = () => Math.floor(Date.now() / 1_000);

/** A token for everything, for an hour, unless `claims` say otherwise. */
export function token(claims = {}) {
  const payload = { exp: now() + 3_600, subscribe: ["*"], publish: ["*"], ...claims };
  const signed = `${base64url({ alg: "HS256", typ: "JWT" })}.${base64url(payload)}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

/** One that ended a while ago, and is taken for ten more seconds: long enough for a page to open on a busy machine. */
export const endingToken = (claims = {}) => token({ ...claims, exp: now() - LEEWAY + 10 });
