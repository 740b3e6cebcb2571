// Serves the built Worker. The first line of its standard input is JSON:
// {"bundle": "folder", "port": 8787, "state": "folder", "vars": {"NAME": "value"}}. It ends when its standard input does.
import { settings } from "./input.mjs";
import { serve } from "./miniflare.mjs";

await serve(settings);
