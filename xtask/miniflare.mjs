// The built Worker, as wrangler.toml describes it, in workerd.
//
// That a reader left has to reach the Worker at once, as it does on Cloudflare. `wrangler dev` puts a Worker of its
// own in front, which passes it on only when it has written to that reader a few more times. workerd alone notices
// a connection that is reset, but one that is closed only when it next writes to it. So this resets what readers
// close.
import { Log, LogLevel, Miniflare, convertV4MiniflareOptions } from "miniflare";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { basename, dirname, join, resolve } from "node:path";
import { unstable_getMiniflareWorkerOptions, unstable_readConfig } from "wrangler";
import { ended } from "./input.mjs";

const CONFIG = "wrangler.toml";
/** Settings come from who starts this. Without a file, and this is none, wrangler would look for .dev.vars and .env. */
const NO_FILE = `${CONFIG}/none`;
/** A client may close its half and still wait for a short answer. */
const FAREWELL_MS = 500;

/** How the request for a tunnel begins. On Cloudflare none reaches a Worker, and the one that miniflare puts in front fails at it. */
const TUNNEL = "CONNECT ";
const NO_TUNNEL = "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD, POST, OPTIONS\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/** Whether this is what the connection begins with. All that came of it is still to be read. */
const wantsTunnel = (reader) =>
  new Promise((resolve) => {
    const come = [];
    // Who ends before it has sent a request wants nothing.
    const leave = () => reader.end();
    const look = () => {
      const chunk = reader.read();
      if (chunk === null) return;
      come.push(chunk);
      const all = Buffer.concat(come);
      const begin = all.toString("latin1", 0, TUNNEL.length);
      if (begin.length < TUNNEL.length && TUNNEL.startsWith(begin)) return;
      reader.off("readable", look).off("end", leave).unshift(all);
      resolve(begin === TUNNEL);
    };
    reader.on("readable", look).on("end", leave);
  });

/** The name of the Worker in wrangler.toml. */
export const { name } = unstable_readConfig({ config: CONFIG });

/**
 * What workerd is to run. `bundle` is the folder of the built Worker, by default the one that is deployed, `vars` are
 * settings, which win over the [vars] of wrangler.toml if the Worker is `configured` by these, `state` is the folder where
 * channels are kept, and `around`, if given, makes the text of a module that stands in for the built one, which it imports.
 */
export function options({ bundle, state, configured, vars, around }) {
  // `modulesRules` tell wrangler's bundler what a file is. This one is bundled already, into two modules.
  const { workerOptions, main: deployed } = unstable_getMiniflareWorkerOptions(CONFIG, undefined, { envFiles: [NO_FILE] });
  const { modulesRules, ...worker } = workerOptions;
  const modulesRoot = resolve(bundle ?? dirname(deployed));
  const main = join(modulesRoot, "index.js");
  const modules = [
    { type: "ESModule", path: main },
    { type: "CompiledWasm", path: join(modulesRoot, "index_bg.wasm") },
  ];
  if (around) {
    modules.unshift({ type: "ESModule", path: join(modulesRoot, "around.js"), contents: around(`./${basename(main)}`) });
  }
  return {
    ...convertV4MiniflareOptions({
      ...worker,
      name,
      bindings: { ...(configured && worker.bindings), ...vars },
      modulesRoot,
      modules,
    }),
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
  };
}

/**
 * Starts workerd and listens on this port of 127.0.0.1 and, if the machine has it, ::1. `restart` takes what `serve`
 * takes, but for the port: readers lose their streams, and who comes meanwhile waits.
 */
export async function serve({ port, ...settings }) {
  const miniflare = new Miniflare(options(settings));
  let ready = miniflare.ready;
  await ready;
  const restart = (settings) => (ready = miniflare.setOptions(options(settings)).then(() => miniflare.ready));
  const pass = async (reader) => {
    if (await wantsTunnel(reader)) return reader.end(NO_TUNNEL);
    const { port: origin } = new URL(await ready);
    if (reader.destroyed) return;
    const workerd = connect({ host: "127.0.0.1", port: Number(origin), noDelay: true });
    reader.pipe(workerd, { end: false });
    workerd.pipe(reader);
    const leave = () => workerd.resetAndDestroy();
    reader.on("end", () => setTimeout(leave, FAREWELL_MS));
    reader.on("close", leave);
    workerd.on("error", () => reader.resetAndDestroy()).on("close", () => reader.end());
  };
  const listen = async (host, port) => {
    const front = createServer({ allowHalfOpen: true, noDelay: true }, (reader) => {
      reader.on("error", () => reader.destroy());
      pass(reader).catch(() => reader.resetAndDestroy());
    });
    front.listen(port, host);
    await once(front, "listening");
    return front.address().port;
  };
  const taken = await listen("127.0.0.1", port);
  await listen("::1", taken).catch(() => {});

  const stop = async () => {
    await miniflare.dispose();
    process.exit(0);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  ended.then(stop);
  return { miniflare, port: taken, restart };
}
