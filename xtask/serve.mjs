// Serves the built Worker. Its one argument is JSON: {"port": 8787, "state": "folder", "vars": {"NAME": "value"}}.
// It ends when its standard input does.
import { serve } from "./miniflare.mjs";

await serve(JSON.parse(process.argv[2]));
process.stdin.resume();
