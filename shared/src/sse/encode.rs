//! From [`Event`] to bytes.

use bytes::Bytes;

use super::Event;

/// A comment without text and a blank line: the shortest thing that keeps proxies from closing a silent
/// stream, and that no listener sees.
pub const HEARTBEAT: &[u8] = b":\n\n";

impl Event {
    /// The block on its own, ready to be shared by many readers.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::new();
        self.encode(&mut out);
        out.into()
    }

    /// Appends the block to `out`: comments, `retry`, `event`, `id`, `data`, a blank line, all ended by LF.
    ///
    /// A block never starts with U+FEFF, so a stream of blocks has no byte order mark to lose.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let text = self.comment.as_deref().map_or(0, str::len) + self.data.as_deref().map_or(0, str::len);
        out.reserve(text + FIELDS_BYTES);
        for line in self.comment.as_deref().into_iter().flat_map(lines) {
            field(out, "", line);
        }
        if let Some(retry) = self.retry {
            field(out, "retry", &retry.as_millis().to_string());
        }
        if let Some(name) = &self.name {
            field(out, "event", name.as_str());
        }
        if let Some(id) = &self.id {
            field(out, "id", id.as_str());
        }
        for line in self.data.as_deref().into_iter().flat_map(lines) {
            field(out, "data", line);
        }
        out.push(b'\n');
    }
}

/// What the field names and the short values usually take: enough for one allocation per event.
const FIELDS_BYTES: usize = 128;

/// Writes one line. A reader takes one space after the colon away, so one is put there for it to take, and a
/// value that starts with a space keeps its own.
fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    if !value.is_empty() {
        out.push(b' ');
        out.extend_from_slice(value.as_bytes());
    }
    out.push(b'\n');
}

/// The lines of `text` by the line ends of WHATWG HTML § 9.2.5: CRLF, LF and CR, nothing else (U+2028 and
/// U+0085 are text). There is always one more line than there are line ends, so an empty text is one line.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = text.find(['\r', '\n']);
        rest = end.map(|at| text[at..].strip_prefix("\r\n").unwrap_or(&text[at + 1..]));
        Some(&text[..end.unwrap_or(text.len())])
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sse::{EventId, EventName};

    #[track_caller]
    fn check(event: &Event, wire: &str) {
        assert_eq!(String::from_utf8(event.to_bytes().to_vec()).unwrap(), wire);
    }

    #[test]
    fn fields_come_in_one_order() {
        let event = Event::new()
            .data("{\"cursor\":\"5\"}")
            .id(EventId::from(5))
            .name(EventName::CURSOR)
            .retry(Duration::from_micros(2_000_999));
        check(&event, "retry: 2000\nevent: cursor\nid: 5\ndata: {\"cursor\":\"5\"}\n\n");
        check(&event.comment("hi"), ": hi\nretry: 2000\nevent: cursor\nid: 5\ndata: {\"cursor\":\"5\"}\n\n");
    }

    #[test]
    fn every_line_end_starts_a_data_line() {
        let check = |data: &str, wire| check(&Event::new().data(data), wire);
        check("", "data:\n\n");
        check("a\nb", "data: a\ndata: b\n\n");
        check("a\rb", "data: a\ndata: b\n\n");
        check("a\r\nb", "data: a\ndata: b\n\n");
        check("a\n\rb", "data: a\ndata:\ndata: b\n\n");
        check("a\r\r\n\nb", "data: a\ndata:\ndata:\ndata: b\n\n");
        check("\n", "data:\ndata:\n\n");
        check("\r\na\r", "data:\ndata: a\ndata:\n\n");
        check("a\u{2028}\u{85}\u{b}b", "data: a\u{2028}\u{85}\u{b}b\n\n");
    }

    #[test]
    fn text_arrives_as_it_is() {
        let check = |data: &str, wire| check(&Event::new().data(data), wire);
        check(" a", "data:  a\n\n");
        check(" ", "data:  \n\n");
        check(":", "data: :\n\n");
        check("\u{feff}a", "data: \u{feff}a\n\n");
        check("a\0b", "data: a\0b\n\n");
    }

    #[test]
    fn comments_cannot_leave_their_lines() {
        check(&Event::new().comment("a\ndata: forged\r\n\r\nb"), ": a\n: data: forged\n:\n: b\n\n");
        check(&Event::new().comment("\u{feff}"), ": \u{feff}\n\n");
    }

    #[test]
    fn the_heartbeat_is_an_empty_comment() {
        assert_eq!(Event::new().comment("").to_bytes(), HEARTBEAT);
        check(&Event::new(), "\n");
    }

    #[test]
    fn encoding_appends() {
        let mut out = HEARTBEAT.to_vec();
        Event::new().id(EventId::new("").unwrap()).encode(&mut out);
        assert_eq!(out, b":\n\nid:\n\n");
    }
}
