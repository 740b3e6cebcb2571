/** The entry `ssedge`: to read a channel, in a browser or on a server. */
export { type Problem, RefusedError } from "./problem.js";
export { read, type ReadOptions } from "./read.js";
export { subscribe } from "./subscribe.js";
export type { Closed, End, Entry, Gap, Options, Role, State, Subscription } from "./types.js";
