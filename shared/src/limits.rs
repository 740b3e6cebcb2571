//! Every bound of ssedge, with its unit and its reason.

/// Characters of an event name. Names are for `addEventListener`, so an identifier's length is plenty, and a
/// name is repeated on the wire with every event.
pub const EVENT_NAME_CHARS: usize = 64;

/// Bytes that a [`Decoder`](crate::sse::Decoder) holds of one event: the line being read and the data before
/// it. A server that never ends a line or an event must not fill the client's memory. Eight times the largest
/// event that ssedge sends: a body of 16 KiB in which every byte is escaped as `\u0000`.
pub const DECODED_EVENT_BYTES: usize = 1 << 20;
