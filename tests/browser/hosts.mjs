// A host under test: something that serves the page and its feeds on one port, and can be stopped and started again
// with what it kept. SSEDGE_HOST names it.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { SECRET, token } from "./token.mjs";

const START_MS = 60_000;

/** Where the function and the emulator that runs it are built for this machine. */
const BUILT = join(process.env.CARGO_TARGET_DIR ?? "target", "debug");
const TABLE = "ssedge";

/** The programs of each host, given the port, the folder for its state, the settings and the name of the build, if `cargo
 * xtask dev` is to be tested: what to run, and what to tell it. */
const HOSTS = {
  worker: async (port, state, vars, build) => [["xtask/serve.mjs", { port, state, vars, build }]],
  lambda: async (port, state, vars, build) => {
    const table = await freePort();
    // No stream ends by plan because a machine is slow. Pages are reloaded faster than people do, so the process of a
    // stream that its page has left is reaped; on Lambda it would live on.
    const environment = {
      STREAM_SECS: "0",
      TABLE_NAME: TABLE,
      AWS_ENDPOINT_URL_DYNAMODB: `http://127.0.0.1:${table}`,
      ...vars,
    };
    const built = join(BUILT, "ssedge-lambda");
    const reload = build && { build, script: await readFile("xtask/reload.js", "utf8") };
    const emulator = { port, function: built, concurrency: 200, reap: true, environment, reload };
    return [
      [join(BUILT, "ssedge-table"), { port: table, state, table: TABLE }],
      [join(BUILT, "ssedge-emulator"), emulator],
    ];
  },
};

/** Starts the host with these settings, which are the same after a restart. */
export async function startHost(vars = {}) {
  const name = process.env.SSEDGE_HOST ?? "worker";
  const programs = HOSTS[name];
  if (!programs) throw new Error(`SSEDGE_HOST is ${name}; the hosts are ${Object.keys(HOSTS)}`);
  const host = new Host(name, programs, await freePort(), await mkdtemp(join(tmpdir(), "ssedge-browser-")), vars);
  await host.start().catch(async (error) => {
    await host.close();
    throw error;
  });
  return host;
}

/** `cargo xtask dev` in a checkout that has no settings, and its `run`, which runs another command as one would type it. */
export async function startDev() {
  const state = await mkdtemp(join(tmpdir(), "ssedge-browser-"));
  const { AUTH_SECRET, ...rest } = process.env;
  const options = { env: { ...rest, CARGO_MANIFEST_DIR: resolve("xtask") } };
  const settings = ["--dev-vars", join(state, ".dev.vars")];
  const name = process.env.SSEDGE_HOST ?? "worker";
  const xtask = join(BUILT, "xtask");
  const parameters = ["dev", name, "--port", "0", "--no-vars", "--state", join(state, "state"), ...settings];
  const child = spawn(xtask, parameters, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(child, "exit");
  let said = "";
  const greeted = Promise.withResolvers();
  for (const output of [child.stdout, child.stderr]) {
    output.on("data", (text) => {
      said += text;
      const [, base] = /^ssedge serves (http:\S+): /m.exec(said) ?? [];
      if (base) greeted.resolve(base);
    });
  }
  const close = async () => {
    child.kill("SIGTERM");
    await exited;
    await rm(state, { recursive: true, force: true });
  };
  void exited.then(() => greeted.reject(new Error(`cargo xtask dev ended:\n${said}`)));
  const base = await greeted.promise.catch(async (error) => {
    await close();
    throw error;
  });
  const run = async (command) => {
    const line = `${command.replace("cargo xtask", xtask)} ${settings.join(" ")}`;
    return promisify(execFile)("sh", ["-c", line], options);
  };
  return { base, run, close };
}

class Host {
  /** Of what is started next: a page loads itself again when it has changed. */
  build;
  #programs;
  #port;
  #state;
  #vars;
  #running = [];
  #log = "";

  constructor(name, programs, port, state, vars) {
    this.name = name;
    this.base = `http://127.0.0.1:${port}`;
    this.#programs = programs;
    this.#port = port;
    this.#state = state;
    // Tests post faster than people do.
    this.#vars = { AUTH_SECRET: SECRET, POST_RATE: "1000", POST_BURST: "1000", ...vars };
  }

  async start() {
    const programs = await this.#programs(this.#port, this.#state, this.#vars, this.build);
    const deadline = Date.now() + START_MS;
    const until = async (ready) => {
      while (!(await ready())) {
        const ended = this.#running.some((child) => child.exitCode !== null);
        if (ended || Date.now() > deadline) throw new Error(`the ${this.name} does not start:\n${this.#log}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    for (const [index, program] of programs.entries()) {
      const child = this.#spawn(program);
      this.#running.push(child);
      // What the next one needs says on its output when it is there; the last one is there when it answers.
      let said = false;
      child.stdout.once("data", () => (said = true));
      if (index < programs.length - 1) await until(() => said);
    }
    await until(() => this.#answers());
  }

  /** Each program is told by the first line of its standard input, and ends with it, so none outlives the tests. */
  #spawn([script, told]) {
    const [program, parameters] = script.endsWith(".mjs") ? [process.execPath, [script]] : [script, []];
    const child = spawn(program, parameters, { stdio: ["pipe", "pipe", "pipe"] });
    // One that ended before it was told is seen by who waits for it.
    child.stdin.on("error", () => {});
    child.stdin.write(`${JSON.stringify(told)}\n`);
    for (const output of [child.stdout, child.stderr]) output.on("data", (text) => (this.#log += text));
    return child;
  }

  async #answers() {
    const signal = AbortSignal.timeout(5_000);
    const answer = await fetch(`${this.base}/healthz`, { signal }).catch(() => undefined);
    await answer?.arrayBuffer();
    return answer?.ok ?? false;
  }

  async stop() {
    await Promise.all(
      this.#running.splice(0).map(async (child) => {
        if (child.exitCode !== null) return;
        child.stdin.end();
        const kill = setTimeout(() => child.kill("SIGKILL"), 10_000);
        await once(child, "exit");
        clearTimeout(kill);
      }),
    );
  }

  async restart() {
    await this.stop();
    await this.start();
  }

  /** Ends it for good. */
  async close() {
    await this.stop();
    await rm(this.#state, { recursive: true, force: true });
  }

  /** Says something in a room, and gives back the id. */
  say(text, { room = "lobby", user = "ada" } = {}) {
    return this.#post(`/api/chat/${room}`, { user, text });
  }

  /** Publishes a notification, and gives back the id. */
  notify(data, { topic = "orders", event } = {}) {
    return this.#post("/api/events", { topic, data, event }, token());
  }

  /** Publishes a quote, and gives back the id. */
  quote(symbol, price) {
    return this.#post("/api/stock", { symbol, price }, token());
  }

  async #post(path, draft, token) {
    const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
    const answer = await fetch(`${this.base}${path}`, { method: "POST", headers, body: JSON.stringify(draft) });
    const body = await answer.text();
    if (answer.status !== 201) throw new Error(`${answer.status}: ${body}`);
    return JSON.parse(body).id;
  }
}

/** Ports below those that Linux and macOS give to whoever asks for any: a host takes seconds to start, and by then such a port might be another's. */
const [FIRST_PORT, PORTS] = [20_000, 12_000];
/** Ports that a file of tests asks for, about: each process begins to look at a place of its own. */
const PORTS_EACH = 97;
let asked = process.pid * PORTS_EACH;

/** A port that nobody listens on now, nor is likely to soon. */
export async function freePort() {
  for (let tries = 0; tries < PORTS; tries += 1) {
    const port = FIRST_PORT + (asked++ % PORTS);
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(() => true, () => false);
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
  throw new Error(`this machine has no free port from ${FIRST_PORT} on`);
}
