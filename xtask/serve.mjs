// Serves the built Worker, as wrangler.toml describes it, from workerd. Its one argument is JSON:
// {"port": 8787, "state": "folder", "vars": {"NAME": "value"}}. It ends when its standard input does.
//
// That a reader left has to reach the Worker at once, as it does on Cloudflare. `wrangler dev` puts a Worker of its
// own in front, which passes it on only when it has written to that reader a few more times. workerd alone notices
// a connection that is reset, but one that is closed only when it next writes to it. So this resets what readers
// close.
import { Log, LogLevel, Miniflare, convertV4MiniflareOptions } from "miniflare";
import { connect, createServer } from "node:net";
import { dirname, join } from "node:path";
import { unstable_getMiniflareWorkerOptions, unstable_readConfig } from "wrangler";

const CONFIG = "wrangler.toml";
/** A client may close its half and still wait for a short answer. */
const FAREWELL_MS = 500;
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
  port: 0,
  // Where `wrangler dev --persist-to` looks, too.
  resourcePersistencePath: join(state, "v3"),
  // What a Worker learns of a request's origin would be fetched from Cloudflare.
  cf: false,
  // Several may run at once and are not to know of each other.
  enableDevRegistry: false,
  log: new Log(LogLevel.WARN),
  logRequests: false,
});

const { port: origin } = new URL(await server.ready);
const front = createServer({ allowHalfOpen: true, noDelay: true }, (reader) => {
  const workerd = connect({ host: "127.0.0.1", port: Number(origin), noDelay: true });
  reader.pipe(workerd, { end: false });
  workerd.pipe(reader);
  const leave = () => workerd.resetAndDestroy();
  reader.on("end", () => setTimeout(leave, FAREWELL_MS));
  reader.on("error", leave).on("close", leave);
  workerd.on("error", () => reader.resetAndDestroy()).on("close", () => reader.end());
});
front.listen(port, "127.0.0.1");

const stop = async () => {
  await server.dispose();
  process.exit(0);
};
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
process.stdin.on("end", stop).resume();
