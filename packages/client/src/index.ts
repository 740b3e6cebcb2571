/** The entry `ssedge`: to read a channel. */
export { subscribe } from "./subscribe.js";
export type { Closed, Entry, Gap, Options, Role, State, Subscription } from "./types.js";
