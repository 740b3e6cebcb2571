//! Checks all that a session says, as it says it.

use bytes::Bytes;
use ssedge::log::EntryId;
use ssedge::sse::{Decoded, Decoder, Message};

/// A decoder behind a stream, which knows what may follow what.
#[derive(Debug, Default)]
pub struct Checker {
    decoder: Decoder,
    /// Where the stream said that it starts.
    pub started: Option<EntryId>,
    last: Option<EntryId>,
    /// The last that was said.
    pub said: Bytes,
}

impl Checker {
    /// `orderly` where the stream was told nothing but the truth.
    pub fn hear(&mut self, bytes: &Bytes, orderly: bool) {
        assert!(bytes.ends_with(b"\n\n"), "a chunk ends inside a block: {}", bytes.escape_ascii());
        // A token may expire before the channel says where its reader starts.
        let opens = [&b"retry: "[..], b"event: expired\n"].iter().any(|word| bytes.starts_with(word));
        assert!(opens || !self.said.is_empty(), "the first block is {}", bytes.escape_ascii());
        let mut messages = Vec::new();
        let heard = |said| {
            if let Decoded::Message(message) = said {
                messages.push(message);
            }
        };
        self.decoder.feed(bytes, heard).expect("no block is over the decoder's bound");
        for message in messages {
            self.message(&message, orderly);
        }
        self.said = bytes.clone();
    }

    fn message(&mut self, message: &Message, orderly: bool) {
        let Message { event, data, last_event_id } = message;
        if event == "expired" && self.last.is_none() {
            return;
        }
        let id: EntryId = last_event_id.parse().unwrap_or_else(|e| panic!("{message:?}: {e}"));
        let opens = matches!(&**event, "cursor" | "gap");
        assert!(opens || self.started.is_some(), "{message:?} comes before the stream has a cursor");
        self.started.get_or_insert(id);
        if orderly {
            assert!(
                event == "gap" || self.last.is_none_or(|last| last <= id),
                "{message:?} after {:?}",
                self.last
            );
            serde_json::from_str::<&serde_json::value::RawValue>(data).expect("data is JSON");
        }
        self.last = Some(id);
    }
}
