//! Encoded entries on their way from a Durable Object to a reader.

use std::ops::Range;

use bytes::Bytes;
use js_sys::{ArrayBuffer, Uint8Array};
use ssedge::hub::{Block, News};
use ssedge::log::{Batch, End, EntryId};
use ssedge::session::Frame;

/// The version of what a Worker and a channel say to each other: questions, commands, answers, messages, and what is attached to a
/// socket. It changes with any of them, because after a deployment an isolate of the Worker before may talk to an object of
/// the one after.
pub const VERSION: u8 = 5;
/// Encoded entries, as they came from the Durable Object: they go on to the reader without a copy through wasm.
#[derive(Clone, Debug)]
pub struct JsFrame(pub Uint8Array);

impl Frame for JsFrame {
    fn len(&self) -> usize {
        self.0.byte_length() as usize
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a message is far shorter than 4 GB")]
impl Block for JsFrame {
    fn part(&self, range: Range<usize>) -> Self {
        Self(self.0.subarray(range.start as u32, range.end as u32))
    }

    fn join(parts: &[Self]) -> Self {
        let joined = Uint8Array::new_with_length(parts.iter().map(|part| part.0.length()).sum());
        let mut at = 0;
        for Self(part) in parts {
            joined.set(part, at);
            at += part.length();
        }
        Self(joined)
    }
}

/// A message of the WebSocket.
pub fn message(news: &News<Bytes>, wants_answer: bool) -> Uint8Array {
    let mut message = vec![VERSION];
    message.extend(news.write(wants_answer));
    Uint8Array::from(&message[..])
}

/// Reads what [`message`] wrote; `None` if another version did.
#[expect(clippy::cast_possible_truncation, reason = "a message is far shorter than 4 GB")]
pub fn read(message: &ArrayBuffer) -> Option<(News<JsFrame>, bool)> {
    let bytes = Uint8Array::new(message);
    let copy = bytes.to_vec();
    let Some((&VERSION, news)) = copy.split_first() else { return None };
    News::read(news, |at| JsFrame(bytes.subarray(at as u32 + 1, bytes.length())))
}

/// Bytes before the frame: [`VERSION`]; then `after`, `upto` and `shown`, each a big-endian u64.
const HEAD: usize = 25;

/// The body of a page, but for the end.
pub fn pack(batch: &Batch<Bytes>) -> Vec<u8> {
    let frame = batch.frame.as_deref().unwrap_or_default();
    let mut message = Vec::with_capacity(HEAD + frame.len());
    message.push(VERSION);
    for id in [batch.after, batch.upto, batch.shown] {
        message.extend_from_slice(&id.get().to_be_bytes());
    }
    message.extend_from_slice(frame);
    message
}

/// Reads what [`pack`] wrote, and puts the end to it; `None` if another version did.
pub fn unpack(message: &ArrayBuffer, end: Option<End>) -> Option<Batch<JsFrame>> {
    let length = message.byte_length() as usize;
    let mut head = [0; HEAD];
    if length < HEAD {
        return None;
    }
    Uint8Array::new_with_byte_offset_and_length(message, 0, HEAD as u32).copy_to(&mut head);
    let [VERSION, ids @ ..] = head else { return None };
    let mut ids = ids.chunks_exact(8).map(|id| {
        let id = id.try_into().map(u64::from_be_bytes).ok()?;
        EntryId::new(id).ok()
    });
    let mut next = || ids.next().flatten();
    let (after, upto, shown) = (next()?, next()?, next()?);
    let frame = (length > HEAD).then(|| JsFrame(Uint8Array::new_with_byte_offset(message, HEAD as u32)));
    Some(Batch { after, upto, shown, frame, end })
}
