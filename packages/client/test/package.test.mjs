// The package as it would be published: packed, installed into an empty project, and used from there.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { build } from "esbuild";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { size, TAKEN } from "../sizes.mjs";
import { Server } from "./server.mjs";

const PACKAGE = "packages/client";
const run = promisify(execFile);
/** Each Node that is here: the one of the machine, and the one that npm brings. */
const nodes = [...new Set(process.env.PATH.split(delimiter).concat("node_modules/.bin").map((folder) => resolve(folder, "node")))].filter(existsSync);

/** What a backend does with the package. It prints what it read. */
const PROGRAM = `
  import { read, RefusedError } from "ssedge";
  import { channel, mint } from "ssedge/publish";

  export async function work(url) {
    const token = await mint({ exp: Math.floor(Date.now() / 1_000) + 60, publish: ["*"] }, "0123456789abcdef0123456789abcdef");
    const run = channel(url, { token });
    await run.append({ type: "started" });
    const answer = new Response("data: a\\n\\nevent: b\\ndata: c\\n\\n", { headers: { "Content-Type": "text/event-stream" } });
    await run.pipe(answer, { lease: 30 });
    const told = [];
    for await (const { id, event, data } of read(url + "?history=all")) told.push([id, event, data]);
    const refusal = await run.append("late").catch((error) => error);
    told.push(refusal instanceof RefusedError, refusal.kind);
    return JSON.stringify(told);
  }`;
const TOLD = [["42", "message", '{"type":"started"}'], ["43", "message", "a"], ["44", "b", "c"], true, "closed"];

let folder;
let server;
let base;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "ssedge-package-"));
  // A copy, since what it is built into is not for two at once.
  const copy = join(folder, "package");
  await cp(PACKAGE, copy, { recursive: true, filter: (path) => !/(dist|node_modules)$/.test(path) });
  await symlink(resolve("node_modules"), join(copy, "node_modules"));
  const path = [resolve("node_modules/.bin"), process.env.PATH].join(delimiter);
  const npm = (cwd, ...command) => run("npm", [...command, "--no-audit", "--no-fund"], { cwd, env: { ...process.env, PATH: path } });
  await npm(copy, "pack", "--pack-destination", folder);
  const { version } = JSON.parse(await readFile(join(copy, "package.json"), "utf8"));
  await rm(copy, { recursive: true });
  await writeFile(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  await npm(folder, "install", "--offline", `./ssedge-${version}.tgz`);
  await writeFile(join(folder, "work.js"), PROGRAM);
  server = new Server();
  base = await server.listen();
});
after(async () => {
  server?.close();
  await rm(folder, { recursive: true });
});

test("the package has what it says, with types, and needs nothing", async () => {
  const installed = join(folder, "node_modules/ssedge");
  const { exports, dependencies } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
  assert.equal(dependencies, undefined);
  for (const { types, default: script } of Object.values(exports)) {
    assert.ok(existsSync(join(installed, types)) && existsSync(join(installed, script)), script);
  }
  assert.ok(existsSync(join(installed, "README.md")));
  assert.ok(!existsSync(join(installed, "test")) && !existsSync(join(installed, "src")), "nobody needs its sources");
});

test("it works in each Node that is here", async () => {
  await writeFile(join(folder, "main.js"), 'import { work } from "./work.js";\nconsole.log(await work(process.argv[2]));');
  assert.ok(nodes.length > 0);
  for (const [at, node] of nodes.entries()) {
    const { stdout, stderr } = await run(node, ["main.js", `${base}/api/channels/node/${at}`], { cwd: folder });
    assert.deepEqual(JSON.parse(stdout), TOLD, node);
    assert.equal(stderr, "", node);
  }
});

test("it works in a Worker", async () => {
  const worker = 'import { work } from "./work.js";\nexport default { fetch: async (request) => new Response(await work(await request.text())) };';
  const { outputFiles } = await build({
    stdin: { contents: worker, resolveDir: folder },
    bundle: true,
    format: "esm",
    target: "es2022",
    write: false,
  });
  const modules = [{ type: "ESModule", path: join(folder, "worker.mjs"), contents: outputFiles[0].text }];
  // An old date, since the package is not to need what came later.
  const options = convertV4MiniflareOptions({ name: "worker", compatibilityDate: "2024-01-01", modules, modulesRoot: folder });
  const quiet = { cf: false, enableDevRegistry: false, log: new Log(LogLevel.WARN), logRequests: false };
  const miniflare = new Miniflare({ ...options, ...quiet, host: "127.0.0.1", port: 0 });
  try {
    const answer = await miniflare.dispatchFetch("http://worker/", { method: "POST", body: `${base}/api/channels/worker` });
    assert.deepEqual(await answer.json(), TOLD);
  } finally {
    await miniflare.dispose();
  }
});

test("its types say what it takes, to a program that is checked strictly", async () => {
  const checked = (name, text) => writeFile(join(folder, name), text).then(() => name);
  const tsc = (file) => run(resolve("node_modules/.bin/tsc"), ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", file], { cwd: folder });
  await tsc(await checked("good.ts", `
    import { read, subscribe, type Entry, type End } from "ssedge";
    import { channel, mint } from "ssedge/publish";
    const told: (Entry | End)[] = [];
    subscribe("/api/channels/a", { onEntry: (entry) => told.push(entry), onEnd: (end) => told.push(end) }).close();
    for await (const entry of read("/api/channels/a", { headers: { a: "b" }, cursor: "7" })) told.push(entry);
    const run = channel("/api/channels/a", { token: async () => mint({ exp: 1, publish: ["*"] }, "secret") });
    const { last }: { last: string } = await run.append([1, "a", null], { ifNoneMatch: "*", lease: 5 });
    const { stopped } = await run.pipe(new Response(last), { onStop: ({ reason }) => reason });
    stopped satisfies End | undefined;
  `));
  await assert.rejects(tsc(await checked("bad.ts", 'import { mint } from "ssedge/publish"; mint({ sub: "ada" }, "secret");')), ({ stdout }) => /'exp' is missing/.test(stdout));
});

test("what a page takes of it is small", async () => {
  const readme = readFileSync(`${PACKAGE}/README.md`, "utf8");
  for (const [entry, name] of TAKEN) {
    const said = new RegExp(`\\| \`${entry}\` \\| \`${name}\` \\| ([\\d.]+) KB \\|`).exec(readme)?.[1];
    const bytes = await size(entry, name);
    assert.ok(said && bytes <= said * 1024, `${entry} ${name} takes ${bytes} bytes; the README says ${said} KB`);
    assert.ok(bytes > said * 1024 - 512, `${entry} ${name} takes ${bytes} bytes; the README says ${said} KB, which is too much`);
  }
  assert.ok((await size("ssedge", "subscribe")) <= 5 * 1024);
});
