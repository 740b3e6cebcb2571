//! The wire format, `text/event-stream`, by WHATWG HTML [§ 9.2.5] (which bytes are a stream) and [§ 9.2.6]
//! (what they mean).
//!
//! | to | use |
//! |---|---|
//! | write an event | [`Event`]: typed fields in, bytes out; encoding cannot fail |
//! | keep a silent stream open | [`HEARTBEAT`] |
//! | read a stream | [`Decoder`]: chunks of any size in, [`Decoded`] out |
//!
//! **Invariant:** no value of these types can start a line of its own on the wire. A field that is one line
//! ([`EventId`], [`EventName`]) refuses the characters that end one; text ([`Event::data`],
//! [`Event::comment`]) is cut into as many lines as it has.
//!
//! [§ 9.2.5]: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
//! [§ 9.2.6]: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

mod decode;
mod encode;
mod event;

pub use decode::{Decoded, Decoder, Message, TooLarge};
pub use encode::HEARTBEAT;
pub use event::{Event, EventId, EventName, InvalidId, InvalidName};

/// The media type of a stream. It is UTF-8 by the standard, and says so for clients that read `text/*` as Latin-1 otherwise.
pub const CONTENT_TYPE: &str = "text/event-stream; charset=utf-8";
