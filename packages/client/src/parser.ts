/** The text of a stream, read event by event as the HTML standard says (§ 9.2.6). */

/**
 * The longest event, in characters. An entry has 16 KiB at most; what a model's provider sends may be longer. Without a
 * bound, a server that never ends a line would fill the memory.
 */
const EVENT_CHARS = 1 << 20;

/** What a blank line ends. `data` is missing if it has none: then it only moves the cursor. */
export interface Block {
  /** The id that came last, in this block or in one before. */
  readonly id: string;
  /** The type of the event; `message` if it names none. */
  readonly event: string;
  readonly data: string | undefined;
}

export class Parser {
  /** How long the server asked to wait before the next connection, in ms. */
  retry: number | undefined;
  #id = "";
  #event = "";
  #data: string[] = [];
  #chars = 0;
  /** The beginning of a line that has not ended. */
  #line = "";
  /** Whether the text before ended with a CR, which may be the first half of a CRLF. */
  #endedWithCr = false;

  /**
   * Reads more of the stream, and returns the blocks that it completes.
   *
   * Throws a `RangeError` if an event is longer than a mebibyte.
   */
  push(chunk: string): Block[] {
    const fresh = this.#endedWithCr && chunk.startsWith("\n") ? chunk.slice(1) : chunk;
    if (chunk) this.#endedWithCr = chunk.endsWith("\r");
    const [first = "", ...others] = fresh.split(/\r\n|\n|\r/);
    const lines = [this.#line + first, ...others];
    this.#line = lines.pop() ?? "";
    const blocks: Block[] = [];
    for (const line of lines) {
      if (line === "") blocks.push(this.#complete());
      else this.#field(line);
    }
    if (this.#chars + this.#line.length > EVENT_CHARS) {
      throw new RangeError(`an event of the stream has more than ${EVENT_CHARS} characters`);
    }
    return blocks;
  }

  #complete(): Block {
    const data = this.#data.length > 0 ? this.#data.join("\n") : undefined;
    const block = { id: this.#id, event: this.#event || "message", data };
    [this.#event, this.#data, this.#chars] = ["", [], 0];
    return block;
  }

  #field(line: string) {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (name === "data") {
      this.#data.push(value);
      this.#chars += value.length + 1;
    } else if (name === "event") this.#event = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }
}
