// What the tests need of more than one entry, in one bundle: each bundle has classes of its own.
export { fromChannel, toChannel } from "../src/ai.js";
export { read, RefusedError } from "../src/index.js";
export { channel, mint } from "../src/publish.js";
