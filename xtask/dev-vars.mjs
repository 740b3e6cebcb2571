// Reads settings as wrangler reads those of a .dev.vars. Standard input is the text of the file; standard output is
// JSON: {"NAME": "value"}.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unstable_getVarsForDev } from "wrangler";

// wrangler takes no text, and only a file of this name beside its configuration. Only its owner can read the folder.
const folder = await mkdtemp(join(tmpdir(), "ssedge-vars-"));
try {
  await writeFile(join(folder, ".dev.vars"), await readFile("/dev/stdin"), { mode: 0o600 });
  const vars = unstable_getVarsForDev(join(folder, "wrangler.toml"), undefined, {}, undefined, true);
  const pairs = Object.entries(vars).map(([name, { value }]) => [name, value]);
  process.stdout.write(JSON.stringify(Object.fromEntries(pairs)));
} finally {
  await rm(folder, { recursive: true });
}
