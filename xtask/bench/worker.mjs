// Serves a Worker in workerd, with nothing in front of it. The first line of standard input is JSON: what xtask/serve.mjs
// takes, for ssedge, or {"peer": "file"}. Prints the port. It ends when its standard input does.
//
// With "counting": true, GET /bench answers how many objects were made, and how many requests they had.
import { buildSync } from "esbuild";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";
import { ended, settings } from "../input.mjs";
import { name, options } from "../miniflare.mjs";

/** Stands in for the module of a Worker, and counts what its objects are asked. */
const counting = (objects) => (main) => `
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import Real, { ${objects} as Object } from ${JSON.stringify(main)};

const counts = { objects: 0, requests: 0 };

export class ${objects} extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    counts.objects += 1;
    this.real = new Object(ctx, env);
  }
  fetch(request) {
    counts.requests += 1;
    return this.real.fetch(request);
  }
  alarm() { return this.real.alarm?.(); }
  webSocketMessage(...event) { return this.real.webSocketMessage?.(...event); }
  webSocketClose(...event) { return this.real.webSocketClose?.(...event); }
  webSocketError(...event) { return this.real.webSocketError?.(...event); }
}

export default class extends WorkerEntrypoint {
  fetch(request) {
    if (new URL(request.url).pathname === "/bench") return Response.json(counts);
    if (typeof Real !== "function") return Real.fetch(request, this.env, this.ctx);
    return new Real(this.ctx, this.env).fetch(request);
  }
}
`;

/** All that is not the Worker itself is the same for ssedge and for its peers. */
function served() {
  const { peer, counting: counts, ...rest } = settings;
  if (!peer) return options({ ...rest, around: counts && counting("Channel") });
  const bundle = buildSync({ entryPoints: [peer], bundle: true, format: "esm", external: ["cloudflare:*"], write: false });
  const modules = [{ type: "ESModule", path: "index.js", contents: bundle.outputFiles[0].text }];
  if (counts) modules.unshift({ type: "ESModule", path: "around.js", contents: counting("Room")("./index.js") });
  const ssedge = options(rest);
  const { compatibilityDate } = ssedge.workers[0].config;
  const durableObjects = { ROOMS: { className: "Room", useSQLite: true } };
  const { workers } = convertV4MiniflareOptions({ name, compatibilityDate, modules, durableObjects });
  return { ...ssedge, workers };
}

const all = served();
const [worker] = all.workers;
// On Cloudflare, the page's files are served without the Worker. Here that is the job of a Worker of miniflare, which
// stands before this one, asks it by RPC, and takes more CPU than it does.
delete worker.config.assets;
delete worker.config.env.ASSETS;
// A socket of workerd that leads to the Worker itself, past what miniflare puts in front of it.
worker.dev = { ...worker.dev, unsafeDirectSockets: [{ host: "127.0.0.1" }] };
const miniflare = new Miniflare(all);
const { port } = await miniflare.unsafeGetDirectURL(name);
console.log(port);
await ended;
await miniflare.dispose();
process.exit(0);
