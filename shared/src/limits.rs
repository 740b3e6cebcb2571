//! Every bound of ssedge, with its unit and its reason.

/// Characters of an event name. Names are for `addEventListener`, so an identifier's length is plenty, and a
/// name is repeated on the wire with every event.
pub const EVENT_NAME_CHARS: usize = 64;

/// Bytes of one event that a [`Decoder`](crate::sse::Decoder) holds before it gives up: the line being read and
/// the data before it. A server that never ends a line or an event must not fill the client's memory; the
/// events of ssedge itself come from bodies of at most 16 KiB.
pub const DECODED_EVENT_BYTES: usize = 1 << 20;
/// Characters (ASCII, so bytes) of a stock symbol: the longest that exchanges use, class suffix included.
pub const MAX_SYMBOL_LEN: usize = 10;

/// Cents of a price: fifteen digits, the most that every decimal number keeps on its way through a
/// reader's double. So the difference of two prices is as exact, and their arithmetic is far from `i64::MAX`.
pub const MAX_PRICE_CENTS: i64 = 999_999_999_999_999;
