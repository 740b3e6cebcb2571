/** Where everything random comes from. A test replaces `Math.random`, and so knows every pause. */

/** A random number from 0 up to, but not including, 1. It need not be hard to guess. */
export const randomFraction = () => Math.random();

/** Bytes of an id: no two that are ever made are the same. */
const ID_BYTES = 16;

/** A new id, in hexadecimal digits. `crypto.randomUUID` is missing on pages that came by plain HTTP; this is not. */
export const newId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(ID_BYTES)), (byte) => byte.toString(16).padStart(2, "0")).join("");
