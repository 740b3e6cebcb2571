// Serves the built Worker. The first line of its standard input is JSON:
// {"bundle": "folder", "port": 8787, "state": "folder", "vars": {"NAME": "value"}}. Each further line is the same anew, and
// the Worker is started again by it, at the same port. It ends when its standard input does.
//
// With "configured": true, the [vars] of wrangler.toml hold where "vars" says nothing. With "build": "a name", the page loads itself again when the name of what is served has changed.
import { lines, settings } from "./input.mjs";
import { serve } from "./miniflare.mjs";
import { reloading } from "./reload.mjs";

const reloads = ({ build, ...rest }) => (build ? { ...rest, around: reloading(build) } : rest);

const { restart } = await serve(reloads(settings));
for await (const line of lines) await restart(reloads(JSON.parse(line)));
