//! From bytes to what a browser would make of them.

use std::time::Duration;

use thiserror::Error;

use crate::limits::DECODED_EVENT_BYTES;

/// What a stream said. A browser acts on the first two and drops comments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// An event is dispatched: a blank line came, and data before it.
    Message(Message),
    /// A new reconnection time. It counts from its line on, not from the end of its block; a value over
    /// `u64::MAX` milliseconds is `u64::MAX`.
    Retry(Duration),
    /// A comment line, without its colon and one space after it.
    Comment(String),
}

/// A dispatched event, with the three properties of a browser's
/// [`MessageEvent`](https://html.spec.whatwg.org/multipage/comms.html#messageevent).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its type; `message` if the stream gave none.
    pub event: String,
    /// Its `data` lines, joined by LF.
    pub data: String,
    /// The last id of the stream so far: its own, or one that came before.
    pub last_event_id: String,
}

/// The server sent more of one event than [`DECODED_EVENT_BYTES`], so the rest of the stream means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an event of the stream is over {DECODED_EVENT_BYTES} bytes")]
pub struct TooLarge;

/// Reads one stream, fed in chunks of any size, by WHATWG HTML [§ 9.2.5] and [§ 9.2.6].
///
/// What it says depends on the bytes alone, not on where the chunks are cut. Bytes that are not UTF-8 become
/// U+FFFD, as in a browser. The end of a stream needs no call: an event without its blank line is dropped.
///
/// ```
/// use ssedge::sse::{Decoded, Decoder};
///
/// let mut decoder = Decoder::new();
/// let mut heard = Vec::new();
/// for chunk in ["id: 7\ndata: a\r", "\nda", "ta: b\n\n"] {
///     decoder.feed(chunk.as_bytes(), |said| heard.push(said))?;
/// }
/// let [Decoded::Message(message)] = &heard[..] else { panic!("one message") };
/// assert_eq!((message.event.as_str(), message.data.as_str()), ("message", "a\nb"));
/// assert_eq!(decoder.last_event_id(), "7");
/// # Ok::<(), ssedge::sse::TooLarge>(())
/// ```
///
/// [§ 9.2.5]: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
/// [§ 9.2.6]: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
#[derive(Debug, Default)]
pub struct Decoder {
    /// The bytes of a line whose end has not come.
    line: Vec<u8>,
    /// The byte before the next one was a CR, so an LF would be the other half of its line end.
    after_cr: bool,
    /// The first line is behind us, and with it the byte order mark.
    started: bool,
    /// The bound was passed; nothing is read any more.
    failed: bool,
    block: Block,
    last_event_id: String,
}

/// The buffers of § 9.2.6, with its names.
#[derive(Debug, Default)]
struct Block {
    data: String,
    event_type: String,
    last_event_id: String,
}

impl Decoder {
    /// A decoder at the start of a stream, which knows no id. A client that reconnects starts a new one, and
    /// keeps the old one's id until the stream brings another.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The id to reconnect after; empty if there is none.
    ///
    /// It moves at the blank line, also of a block that has no data and so dispatches nothing (§ 9.2.6, first
    /// step of the dispatch).
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Reads `chunk` and passes on what it says, in order.
    ///
    /// # Errors
    /// [`TooLarge`] once an event passes [`DECODED_EVENT_BYTES`], after all that came before it was passed on;
    /// from then on every call returns it. The client's answer is to close the connection: to skip the event
    /// would be to lose it silently.
    pub fn feed(&mut self, mut chunk: &[u8], mut sink: impl FnMut(Decoded)) -> Result<(), TooLarge> {
        while !self.failed && !chunk.is_empty() {
            if std::mem::take(&mut self.after_cr) && chunk[0] == b'\n' {
                chunk = &chunk[1..];
                continue;
            }
            let end = chunk.iter().position(|b| matches!(b, b'\r' | b'\n'));
            let part = &chunk[..end.unwrap_or(chunk.len())];
            if self.line.len() + part.len() + self.block.data.len() > DECODED_EVENT_BYTES {
                self.fail();
                break;
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { break };
            self.after_cr = chunk[end] == b'\r';
            chunk = &chunk[end + 1..];
            self.end_line(&mut sink);
        }
        if self.failed { Err(TooLarge) } else { Ok(()) }
    }

    /// Lets go of all that was held; the last id stays, to reconnect with.
    fn fail(&mut self) {
        *self = Self { failed: true, last_event_id: std::mem::take(&mut self.last_event_id), ..Self::new() };
    }

    /// Interprets the line that has just ended. No line end is a part of a UTF-8 sequence, so decoding line by
    /// line gives what decoding the whole stream would.
    fn end_line(&mut self, sink: &mut impl FnMut(Decoded)) {
        let mut bytes = std::mem::take(&mut self.line);
        let skip = if std::mem::replace(&mut self.started, true) { 0 } else { bom_len(&bytes) };
        let line = String::from_utf8_lossy(&bytes[skip..]);
        match line.split_once(':') {
            None if line.is_empty() => self.dispatch(sink),
            None => self.field(&line, "", sink),
            Some((name, value)) => self.field(name, value.strip_prefix(' ').unwrap_or(value), sink),
        }
        // The allocation serves the next line.
        bytes.clear();
        self.line = bytes;
    }

    fn field(&mut self, name: &str, value: &str, sink: &mut impl FnMut(Decoded)) {
        match name {
            "" => sink(Decoded::Comment(value.to_owned())),
            "event" => value.clone_into(&mut self.block.event_type),
            "data" => {
                self.block.data.push_str(value);
                self.block.data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.block.last_event_id),
            "retry" if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                // Only too many digits can fail here.
                sink(Decoded::Retry(Duration::from_millis(value.parse().unwrap_or(u64::MAX))));
            }
            _ => {}
        }
    }

    /// The blank line. The id buffer outlives it, so an event without an id has the one before; no `data` line
    /// at all means no event, while one empty `data` line is an event with empty data.
    fn dispatch(&mut self, sink: &mut impl FnMut(Decoded)) {
        self.block.last_event_id.clone_into(&mut self.last_event_id);
        let event = std::mem::take(&mut self.block.event_type);
        let mut data = std::mem::take(&mut self.block.data);
        if data.pop().is_some() {
            sink(Decoded::Message(Message {
                event: if event.is_empty() { "message".to_owned() } else { event },
                data,
                last_event_id: self.last_event_id.clone(),
            }));
        }
    }
}

/// A stream may start with one byte order mark, which is not a part of it (§ 9.2.5). It cannot hold a line end,
/// so it is whole in the first line, however it was cut.
fn bom_len(line: &[u8]) -> usize {
    let bom = "\u{feff}".as_bytes();
    if line.starts_with(bom) { bom.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `wire` says: events, and the last id at its end. The same for chunks of one byte, of two, and for
    /// the whole.
    #[track_caller]
    fn check(wire: impl AsRef<[u8]>, expected: &[Decoded], last_event_id: &str) {
        let wire = wire.as_ref();
        for size in [wire.len().max(1), 1, 2] {
            let mut decoder = Decoder::new();
            let mut heard = Vec::new();
            for chunk in wire.chunks(size) {
                decoder.feed(chunk, |said| heard.push(said)).unwrap();
            }
            let wire = wire.escape_ascii();
            assert_eq!(heard, expected, "{wire} in chunks of {size}");
            assert_eq!(decoder.last_event_id(), last_event_id, "{wire} in chunks of {size}");
        }
    }

    fn event(event: &str, data: &str, last_event_id: &str) -> Decoded {
        let [event, data, last_event_id] = [event, data, last_event_id].map(str::to_owned);
        Decoded::Message(Message { event, data, last_event_id })
    }

    fn message(data: &str) -> Decoded {
        event("message", data, "")
    }

    fn comment(text: &str) -> Decoded {
        Decoded::Comment(text.to_owned())
    }

    #[test]
    fn lines_end_in_three_ways() {
        for end in ["\n", "\r", "\r\n"] {
            check(format!("data: a{end}data: b{end}{end}"), &[message("a\nb")], "");
        }
        check("data: a\rdata: b\r\ndata: c\n\r", &[message("a\nb\nc")], "");
        check("data: a\n\r\ndata: b\r\r\n", &[message("a"), message("b")], "");
        check("data: a\u{2028}\u{85}\u{b}b\n\n", &[message("a\u{2028}\u{85}\u{b}b")], "");
    }

    #[test]
    fn a_cr_at_the_end_of_a_chunk_ends_its_line_at_once() {
        let mut heard = Vec::new();
        Decoder::new().feed(b"data: a\r\r", |said| heard.push(said)).unwrap();
        assert_eq!(heard, [message("a")]);
    }

    #[test]
    fn one_space_after_the_colon_goes() {
        check("data:a\n\ndata: a\n\ndata:  a\n\n", &[message("a"), message("a"), message(" a")], "");
        check("data:\ta\n\n", &[message("\ta")], "");
        check("data : a\n\n", &[], "");
    }

    #[test]
    fn no_data_line_is_no_event_and_an_empty_one_is() {
        check("event: a\n\n", &[], "");
        check("data\n\ndata:\n\ndata: \n\n", &[message(""), message(""), message("")], "");
        check("data\ndata\n\n", &[message("\n")], "");
        check("event: a\n\ndata: b\n\n", &[message("b")], "");
    }

    #[test]
    fn the_type_is_of_one_block() {
        check("event: a\ndata: 1\n\ndata: 2\n\n", &[event("a", "1", ""), message("2")], "");
        check("event: a\nevent\ndata: 1\n\n", &[message("1")], "");
        check("event: a\nevent: b\ndata: 1\n\n", &[event("b", "1", "")], "");
    }

    #[test]
    fn the_id_stays_until_another_comes() {
        let [a, b] = ["a", "b"].map(|data| event("message", data, "1"));
        let c = event("message", "c", "2");
        let stream = "id: 1\ndata: a\n\ndata: b\n\nid: 2\n\ndata: c\n\nid\ndata: d\n\n";
        check(stream, &[a, b, c, message("d")], "");
        check("id: 1\n\n", &[], "1");
        check("id: 1\nid: 2\0\n\n", &[], "1");
        check("id: 1\n\nid: 2\ndata: a\n", &[], "1");
    }

    #[test]
    fn retry_is_digits_only() {
        check("retry: 2000\n", &[Decoded::Retry(Duration::from_secs(2))], "");
        check("retry:007\n", &[Decoded::Retry(Duration::from_millis(7))], "");
        check("retry: 99999999999999999999\n", &[Decoded::Retry(Duration::from_millis(u64::MAX))], "");
        for value in ["", "+5", "-5", "1.5", "5 ", " 5", "٣", "5s", "0x5"] {
            check(format!("retry: {value}\n\n"), &[], "");
        }
    }

    #[test]
    fn comments_and_unknown_fields_are_no_events() {
        check(":\n\n", &[comment("")], "");
        check(": a:b\n:  c\n\n", &[comment("a:b"), comment(" c")], "");
        check("Data: a\nDATA\nfoo: bar\n id: 1\n\n", &[], "");
    }

    #[test]
    fn one_byte_order_mark_goes_and_only_at_the_start() {
        check("\u{feff}data: a\n\n", &[message("a")], "");
        check("\u{feff}\u{feff}data: a\n\n", &[], "");
        check("\n\u{feff}data: a\n\n", &[], "");
        check("data: \u{feff}a\n\n", &[message("\u{feff}a")], "");
        check("\u{feff}", &[], "");
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_replaced() {
        check(b"data: a\xffb\n\n", &[message("a\u{fffd}b")], "");
        check(b"data: \xf0\x9f\x92\n\n", &[message("\u{fffd}")], "");
        check(b"data: \xf0\x9f\r\n\n", &[message("\u{fffd}")], "");
        check(b"data: \xed\xa0\x80\n\n", &[message("\u{fffd}\u{fffd}\u{fffd}")], "");
        check("data: 🦀é\n\n", &[message("🦀é")], "");
    }

    #[test]
    fn an_event_without_its_blank_line_is_dropped() {
        check("data: a", &[], "");
        check("data: a\n", &[], "");
        check("", &[], "");
    }
}
