//! What a request appends: from a body of one of several media types to drafts, whole or piece by piece.

use super::{event, key};
use crate::feeds::{Pieces, Posted};
use crate::json;
use crate::limits::{ENTRY_BYTES, POST_BYTES, POST_ENTRIES};
use crate::log::Draft;
use crate::problem::Problem;
use crate::sse::{Decoded, Decoder, EventName};

const JSON: &str = "application/json";
const NDJSON: [&str; 2] = ["application/x-ndjson", "application/jsonl"];
const EVENTS: &str = "text/event-stream";
const TEXT: &str = "text/plain";
/// What a body may be.
pub(super) const MEDIA_TYPES: &[&str] = &[JSON, NDJSON[0], NDJSON[1], EVENTS, TEXT];

/// Reads the entries of a body, fed in chunks of any size. What it says depends on the bytes alone, not on where the chunks
/// are cut.
#[derive(Debug)]
pub(super) struct Body {
    format: Format,
    event: Option<EventName>,
    key: Option<String>,
    /// The entries that were read and not yet taken.
    drafts: Vec<Draft>,
}

#[derive(Debug)]
enum Format {
    /// One entry, JSON or text, collected until the end.
    One { bytes: Vec<u8>, is_json: bool },
    /// An entry a line.
    Lines { line: Vec<u8>, number: usize },
    /// An entry an event.
    Events(Box<Decoder>),
}

impl Body {
    /// One for a body of the request's media type, whose entries all have the name and the key of its query.
    ///
    /// # Errors
    /// [`Problem::Invalid`] for a name or a key that is against its rule.
    pub fn new(posted: &Posted<'_>) -> Result<Self, Problem> {
        let format = match posted.media_type {
            Some(EVENTS) => Format::Events(Box::default()),
            Some(media_type) if NDJSON.contains(&media_type) => Format::Lines { line: Vec::new(), number: 0 },
            media_type => Format::One { bytes: Vec::new(), is_json: media_type != Some(TEXT) },
        };
        Ok(Self {
            format,
            event: posted.query.get("event").map(event).transpose()?,
            key: posted.query.get("key").map(key).transpose().map_err(Problem::invalid("key"))?,
            drafts: Vec::new(),
        })
    }

    /// Whether its entries are known before its end.
    pub fn has_pieces(&self) -> bool {
        !matches!(self.format, Format::One { .. })
    }

    /// All entries, at the end of the body.
    ///
    /// # Errors
    /// [`Problem::TooLarge`] if they are more than one post may have, or as [`Pieces::end`].
    pub fn all(mut self) -> Result<Vec<Draft>, Problem> {
        self.end()?;
        let drafts = self.take();
        if !self.drafts.is_empty() {
            return Err(Problem::TooLarge(format!("a post must have at most {POST_ENTRIES} entries")));
        }
        Ok(drafts)
    }

    fn read(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        match &mut self.format {
            Format::One { bytes, .. } => {
                bytes.extend_from_slice(chunk);
                if bytes.len() > POST_BYTES { Err(too_large()) } else { Ok(()) }
            }
            Format::Lines { .. } => self.push_lines(chunk),
            Format::Events(decoder) => {
                let mut heard = Vec::new();
                decoder.feed(chunk, |said| heard.push(said)).map_err(|_| too_large())?;
                heard.into_iter().try_for_each(|said| match said {
                    Decoded::Message(message) => {
                        let name = match &*message.event {
                            "message" => None,
                            name => Some(event(name)?),
                        };
                        self.add(name, message.data)
                    }
                    Decoded::Retry(_) | Decoded::Comment(_) => Ok(()),
                })
            }
        }
    }

    fn push_lines(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        let mut parts = chunk.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            let Format::Lines { line, number } = &mut self.format else { return Ok(()) };
            line.extend_from_slice(part);
            if line.len() > POST_BYTES {
                return Err(too_large());
            }
            if parts.peek().is_none() {
                return Ok(());
            }
            *number += 1;
            let (line, number) = (std::mem::take(line), *number);
            self.add_line(&line, number)?;
        }
        Ok(())
    }

    fn add_line(&mut self, line: &[u8], number: usize) -> Result<(), Problem> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let data = json::any(line).map_err(|rule| Problem::Malformed(format!("line {number}: {rule}")))?;
        self.add(None, data)
    }

    fn add(&mut self, name: Option<EventName>, data: String) -> Result<(), Problem> {
        if data.len() > ENTRY_BYTES {
            return Err(Problem::TooLarge(format!("an entry must be at most {ENTRY_BYTES} bytes")));
        }
        let event = self.event.clone().or(name);
        let mut draft = Draft::data(data).with_event(event);
        draft.key.clone_from(&self.key);
        self.drafts.push(draft);
        Ok(())
    }
}

impl Pieces for Body {
    fn push(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        self.read(chunk)
    }

    fn end(&mut self) -> Result<(), Problem> {
        match std::mem::replace(&mut self.format, Format::Events(Box::default())) {
            Format::One { bytes, .. } if bytes.is_empty() => Ok(()),
            Format::One { bytes, is_json: true } => {
                let data =
                    json::any(&bytes).map_err(|rule| Problem::Malformed(format!("the body {rule}")))?;
                self.add(None, data)
            }
            Format::One { bytes, is_json: false } => {
                let text = String::from_utf8(bytes);
                self.add(None, text.map_err(|_| Problem::Malformed("the body must be text in UTF-8".into()))?)
            }
            Format::Lines { line, number } => self.add_line(&line, number + 1),
            // An event without its blank line is not an event.
            Format::Events(_) => Ok(()),
        }
    }

    fn take(&mut self) -> Vec<Draft> {
        // What has an escape for each of its characters is longer than the body.
        let mut room = 2 * POST_BYTES;
        let fits = |draft: &&Draft| {
            let bytes = draft.data_bytes();
            let fits = bytes <= room;
            room = room.saturating_sub(bytes);
            fits
        };
        let count = self.drafts.iter().take(POST_ENTRIES).take_while(fits).count();
        self.drafts.drain(..count).collect()
    }
}

fn too_large() -> Problem {
    Problem::too_large(POST_BYTES)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;

    use super::*;
    use crate::feeds::Query;
    use crate::log::EntryId;
    use crate::time::UnixMillis;

    /// An entry: its name, if it has one, and its data.
    type Read = (Option<String>, String);

    fn read(media_type: Option<&'static str>, query: &str, chunks: &[&[u8]]) -> Result<Vec<Read>, Problem> {
        let (query, headers) = (Query::new(Some(query)), HeaderMap::new());
        let (body, keep_most) = (&[][..], Duration::from_secs(60));
        let posted = Posted { media_type, query: &query, headers: &headers, body, sub: None, keep_most };
        let mut body = Body::new(&posted)?;
        chunks.iter().try_for_each(|chunk| body.push(chunk))?;
        let entry = |draft: &Draft| draft.entry(EntryId::BEGINNING, UnixMillis(0), None);
        let entries = body.all()?.iter().map(entry).collect::<Vec<_>>();
        Ok(entries.into_iter().map(|entry| (entry.event.map(|name| name.to_string()), entry.body)).collect())
    }

    /// The same, whole and byte by byte.
    #[track_caller]
    fn each_way(media_type: &'static str, query: &str, body: &[u8]) -> Result<Vec<Read>, String> {
        let whole = read(Some(media_type), query, &[body]).map_err(|problem| problem.to_string());
        let bytes: Vec<_> = body.chunks(1).collect();
        let by_bytes = read(Some(media_type), query, &bytes).map_err(|problem| problem.to_string());
        assert_eq!(whole, by_bytes);
        whole
    }

    #[track_caller]
    fn check(media_type: &'static str, body: &str, expected: &[(Option<&str>, &str)]) {
        let expected: Vec<Read> =
            expected.iter().map(|(name, data)| (name.map(str::to_owned), (*data).to_owned())).collect();
        assert_eq!(each_way(media_type, "", body.as_bytes()), Ok(expected), "{body:?}");
    }

    #[track_caller]
    fn check_refused(media_type: &'static str, body: &[u8], detail: &str) {
        let refused = each_way(media_type, "", body).expect_err("it is refused");
        assert!(refused.starts_with(detail), "{refused}");
    }

    #[test]
    fn a_body_of_json_is_one_entry_whatever_value_it_is() {
        check(JSON, " {\"b\": 1.10,\n \"a\":[null]} ", &[(None, r#"{"b":1.10,"a":[null]}"#)]);
        for value in ["null", "\"x\"", "7", "[]"] {
            check(JSON, value, &[(None, value)]);
        }
        check(JSON, "", &[]);
        check_refused(JSON, b"{", "the body must be JSON");
        check_refused(JSON, b"1 2", "the body must be JSON");
        check_refused(JSON, b"\"\xff\"", "the body must be JSON");
    }

    #[test]
    fn each_line_is_an_entry_and_a_bad_one_is_named() {
        for media_type in NDJSON {
            let all = [(None, "{\"a\":1}"), (None, "2"), (None, "[3]")];
            check(media_type, "{\"a\": 1}\n\r\n2\r\n  \n[3]", &all);
            check(media_type, "\n\n", &[]);
            check_refused(media_type, b"1\n\n{\"a\":\n4\n", "line 3: must be JSON");
            check_refused(media_type, b"1\n2\nx", "line 3: must be JSON");
        }
    }

    #[test]
    fn each_event_that_has_data_is_an_entry() {
        let body = "\u{feff}: hi\rid: 7\revent: token\rdata: a\rdata: é\u{2028}\r\rretry: 5\r\n\r\nevent: x\n\n\
                    data\n\nevent: message\ndata: b\n\ndata: lost";
        check(EVENTS, body, &[(Some("token"), "a\né\u{2028}"), (None, ""), (None, "b")]);
        for name in ["cursor", "gap", "end", "expired", "error", "open", "a b"] {
            check_refused(EVENTS, format!("event: {name}\ndata: 1\n\n").as_bytes(), "event: ");
        }
    }

    #[test]
    fn a_text_is_one_entry_as_it_is() {
        check(TEXT, " a\r\nb\0\u{feff}\n", &[(None, " a\r\nb\0\u{feff}\n")]);
        check_refused(TEXT, b"\xc3", "the body must be text in UTF-8");
    }

    #[test]
    fn the_query_names_all_entries() {
        let named = each_way(EVENTS, "event=all&key=k", b"event: one\ndata: 1\n\n");
        assert_eq!(named, Ok(vec![(Some("all".to_owned()), "1".to_owned())]));
        for query in ["event=end", "event=a%20b", "event=", "key=", "key=a/b"] {
            assert!(each_way(JSON, query, b"1").is_err(), "{query}");
        }
    }

    #[test]
    fn entries_and_bodies_have_their_bounds() {
        let text = |bytes| "x".repeat(bytes);
        let json = |bytes: usize| format!("\"{}\"", text(bytes - 2));
        assert!(each_way(TEXT, "", text(ENTRY_BYTES).as_bytes()).is_ok());
        assert!(each_way(JSON, "", json(ENTRY_BYTES).as_bytes()).is_ok());
        let too_long = "the body: an entry must be at most 16384 bytes";
        check_refused(TEXT, text(ENTRY_BYTES + 1).as_bytes(), too_long);
        check_refused(JSON, json(ENTRY_BYTES + 1).as_bytes(), too_long);
        check_refused(NDJSON[0], format!("1\n{}\n", json(ENTRY_BYTES + 1)).as_bytes(), too_long);
        check_refused(EVENTS, format!("data: {}\n\n", text(ENTRY_BYTES + 1)).as_bytes(), too_long);
        let too_much = "the body: must be at most 65536 bytes";
        check_refused(TEXT, text(POST_BYTES + 1).as_bytes(), too_much);
        check_refused(NDJSON[0], text(POST_BYTES + 1).as_bytes(), too_much);
        let lines = |count| "1\n".repeat(count);
        assert_eq!(
            each_way(NDJSON[0], "", lines(POST_ENTRIES).as_bytes()).map(|all| all.len()),
            Ok(POST_ENTRIES)
        );
        let too_many = "the body: a post must have at most 500 entries";
        check_refused(NDJSON[0], lines(POST_ENTRIES + 1).as_bytes(), too_many);
        check_refused(EVENTS, "data: 1\n\n".repeat(POST_ENTRIES + 1).as_bytes(), too_many);
    }
}
