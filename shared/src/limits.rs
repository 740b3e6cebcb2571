//! Every bound of ssedge, with its unit and its reason.

/// Characters of an event name. Names are for `addEventListener`, so an identifier's length is plenty, and a
/// name is repeated on the wire with every event.
pub const EVENT_NAME_CHARS: usize = 64;

/// Bytes of one event that a [`Decoder`](crate::sse::Decoder) holds before it gives up: the line being read and
/// the data before it. A server that never ends a line or an event must not fill the client's memory; the
/// events of ssedge itself come from bodies of at most 16 KiB.
pub const DECODED_EVENT_BYTES: usize = 1 << 20;
