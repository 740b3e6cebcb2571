// Sources that are piped into a channel.

/** A source that gives what a test puts into it. */
export function hand() {
  let controller;
  const told = { cancelled: undefined };
  const stream = new ReadableStream({
    start: (it) => (controller = it),
    cancel: (reason) => (told.cancelled = reason),
  });
  const put = (...pieces) => pieces.forEach((piece) => controller.enqueue(piece));
  return { stream, told, put, end: () => controller.close() };
}

/** Gives these pieces, and throws those that are errors. */
export async function* generated(...pieces) {
  for (const piece of pieces) {
    if (piece instanceof Error) throw piece;
    yield piece;
  }
}
