/** Tokens: JSON Web Tokens (RFC 7519), signed by HS256, the only algorithm that the server takes. */

/** What a token says. A pattern is a channel (`channels/run/42`), a prefix that ends in `/*`, or `*`. */
export interface Claims {
  /** When it ends, in unix seconds: at most 400 days ahead. An open stream ends then, too. */
  readonly exp: number;
  /** When it begins, in unix seconds. */
  readonly nbf?: number;
  /** Who holds it: the name in chats; whose posts and streams are counted together. */
  readonly sub?: string;
  /** What may be read. */
  readonly subscribe?: readonly string[];
  /** What may be written to. */
  readonly publish?: readonly string[];
  /** What may be closed, as by a button to stop. */
  readonly close?: readonly string[];
}

/** The fewest bytes of a secret: those of the hash. */
const SECRET_BYTES = 32;
/** The server refuses a token that ends later than this, in seconds. */
const LIFE_SECS = 400 * 24 * 3_600;

const utf8 = new TextEncoder();

/**
 * A token with these claims, signed with the AUTH_SECRET of the server. Keep the secret on a server.
 *
 * Throws a `RangeError` if the secret is too short, or if `exp` is not in seconds.
 */
export async function mint(claims: Claims, secret: string): Promise<string> {
  const key = utf8.encode(secret);
  if (key.length < SECRET_BYTES) {
    throw new RangeError(`the secret has ${key.length} bytes, and must have ${SECRET_BYTES} at least`);
  }
  const now = Math.floor(Date.now() / 1_000);
  for (const [name, value] of Object.entries({ exp: claims.exp, nbf: claims.nbf ?? now })) {
    if (!Number.isInteger(value)) throw new RangeError(`${name}: must be an integer, in unix seconds`);
    if (value > now + LIFE_SECS) {
      throw new RangeError(`${name}: must be in unix seconds, at most 400 days ahead; ${value} may be in milliseconds`);
    }
  }
  const signed = `${part('{"alg":"HS256"}')}.${part(JSON.stringify(claims))}`;
  const hmac = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const signature = new Uint8Array(await crypto.subtle.sign("HMAC", hmac, utf8.encode(signed)));
  return `${signed}.${base64url(signature)}`;
}

const part = (json: string) => base64url(utf8.encode(json));

const base64url = (bytes: Uint8Array) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
