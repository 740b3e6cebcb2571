// Checks the market in wasm. The argument is the folder of what ssedge-bindgen made of this crate.
import assert from "node:assert";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { test } from "node:test";

const folder = resolve(process.argv[2]);
const { default: init, check_quotes } = await import(join(folder, "index.js"));
await init({ module_or_path: await readFile(join(folder, "index_bg.wasm")) });

test("quotes are bit for bit those of the fixture", () => {
  const checked = check_quotes();
  assert(checked >= 1_000, `only ${checked} quotes`);
});
