// What a program here is told: the first line of its standard input, as JSON. Secrets are among it, and a list of
// processes shows arguments to everybody on the machine.
import { createInterface } from "node:readline";

/** Resolves when standard input has ended. A program ends then, so it does not outlive what started it. */
export const ended = new Promise((resolve) => process.stdin.once("end", resolve));

/** The lines behind the first. */
export const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export const settings = JSON.parse((await lines.next()).value);
