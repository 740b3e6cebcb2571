/**
 * The entry `ssedge/publish`: to write to a channel, and to mint tokens, on a server.
 *
 * ```ts
 * const run = channel("https://live.example/api/channels/run/42", { token });
 * await run.append({ type: "started" });
 * await run.pipe(await fetch(model), { lease: 30 });
 * ```
 */
import { type ChannelOptions, ChannelWriter } from "./channel.js";

export type { Appended, AppendOptions } from "./append.js";
export type { ChannelOptions, ChannelWriter } from "./channel.js";
export { type Claims, mint } from "./mint.js";
export type { Piped, PipeOptions } from "./pipe.js";
export { type Problem, RefusedError } from "./problem.js";
export type { Source } from "./source.js";
export type { End } from "./types.js";

/** A channel to write to, by its URL. */
export function channel(url: string | URL, options: ChannelOptions = {}): ChannelWriter {
  return new ChannelWriter(new URL(url, globalThis.location?.href), options);
}
