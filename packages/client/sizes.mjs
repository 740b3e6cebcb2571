// What each entry of the package takes in a page: bundled and minified alone, then compressed. Run it by itself for a
// table: `node packages/client/sizes.mjs`.
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** What a page or a server takes of which entry. */
export const TAKEN = [
  ["ssedge", "subscribe"],
  ["ssedge", "read"],
  ["ssedge/publish", "channel"],
  ["ssedge/publish", "mint"],
  ["ssedge/ai", "toChannel"],
  ["ssedge/ai", "fromChannel"],
  ["ssedge/react", "useChannel"],
];

const source = (entry) => fileURLToPath(new URL(`src/${entry.split("/")[1] ?? "index"}.ts`, import.meta.url));

/** The bytes, compressed, of what is taken from an entry. */
export async function size(entry, name) {
  const { outputFiles } = await build({
    stdin: { contents: `export { ${name} } from ${JSON.stringify(source(entry))}`, resolveDir: "." },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    external: ["react"],
    write: false,
  });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  for (const [entry, name] of TAKEN) console.log(`${entry} ${name}: ${await size(entry, name)} bytes`);
}
