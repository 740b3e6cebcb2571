// The page of `cargo xtask dev` runs this: it loads itself again when another build is served than the one it is from.
// It asks, because a stream of its own would take one of the six connections that a browser has for all its tabs.
const OWN = new URL(import.meta.url).searchParams.get("build");
const PAUSE_MS = 1_000;

for (;;) {
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  // Nobody answers while a server is started again.
  const served = await fetch("/__dev/build").then((answer) => (answer.ok ? answer.text() : OWN), () => OWN);
  if (served !== OWN) location.reload();
}
