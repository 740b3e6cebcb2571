// Serves the built Worker, as wrangler.toml describes it, from workerd. Its one argument is JSON:
// {"port": 8787, "state": "folder", "vars": {"NAME": "value"}}. It ends when its standard input does.
//
// `wrangler dev` would put a Worker of its own in front, which does not pass on that a reader left until something
// is written to that reader; here workerd holds the reader's connection itself, as on Cloudflare.
import { Log, LogLevel, Miniflare, convertV4MiniflareOptions } from "miniflare";
import { dirname, join } from "node:path";
import { unstable_getMiniflareWorkerOptions, unstable_readConfig } from "wrangler";

const CONFIG = "wrangler.toml";
const { port, state, vars } = JSON.parse(process.argv[2]);

// `modulesRules` tell wrangler's bundler what a file is. worker-build has bundled already, into two modules.
const { workerOptions, main } = unstable_getMiniflareWorkerOptions(CONFIG);
const { modulesRules, ...worker } = workerOptions;
const options = convertV4MiniflareOptions({
  ...worker,
  name: unstable_readConfig({ config: CONFIG }).name,
  bindings: { ...worker.bindings, ...vars },
  modulesRoot: dirname(main),
  modules: [
    { type: "ESModule", path: main },
    { type: "CompiledWasm", path: join(dirname(main), "index_bg.wasm") },
  ],
});

const server = new Miniflare({
  ...options,
  host: "127.0.0.1",
  port,
  // Where `wrangler dev --persist-to` looks, too.
  resourcePersistencePath: join(state, "v3"),
  // What a Worker learns of a request's origin would be fetched from Cloudflare.
  cf: false,
  // Several may run at once and are not to know of each other.
  enableDevRegistry: false,
  log: new Log(LogLevel.WARN),
  logRequests: false,
});

const stop = async () => {
  await server.dispose();
  process.exit(0);
};
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
process.stdin.on("end", stop).resume();
await server.ready;
