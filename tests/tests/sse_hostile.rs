//! One attack on the reader of a stream per test.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use proptest::prelude::*;
use ssedge::limits::DECODED_EVENT_BYTES;
use ssedge::sse::{Decoded, Decoder, TooLarge};

/// Feeds `part` for ever, after `start`; says after how many of its bytes the decoder gave up, if it did within
/// six times the bound.
fn flood(start: &[u8], part: &[u8]) -> Option<usize> {
    let mut decoder = Decoder::new();
    decoder.feed(start, |_| ()).unwrap();
    let mut fed = 0;
    while fed < 6 * DECODED_EVENT_BYTES {
        fed += part.len();
        if decoder.feed(part, |_| ()).is_err() {
            return Some(fed);
        }
    }
    None
}

/// A flood of `part`, of which the decoder has to keep `kept` bytes, ends as soon as the bound is passed: at the
/// latest while it reads the part after the one that passed it.
#[track_caller]
fn check_gives_up(start: &[u8], part: &[u8], kept: usize) {
    let fed = flood(start, part).expect("gives up");
    assert!(fed / part.len() * kept <= DECODED_EVENT_BYTES + 2 * kept, "after {fed} bytes");
}

/// A line that never ends fills the line buffer.
#[test]
fn endless_line() {
    for start in ["data: ", "id: ", "event: ", ":", "unknown", ""] {
        check_gives_up(start.as_bytes(), &[b'x'; 4096], 4096);
    }
}

/// An event that never ends fills the data buffer, in short lines.
#[test]
fn endless_event() {
    check_gives_up(b"", b"data: some more of it\n", "some more of it\n".len());
    check_gives_up(b"", b"data\r", "\n".len());
}

/// Each byte that is not UTF-8 becomes three in the text.
#[test]
fn replacement_characters_count_as_what_they_take() {
    let line = [b"data: ".as_slice(), &[0xff; 1024], b"\n"].concat();
    check_gives_up(b"", &line, "\u{fffd}".len() * 1024 + 1);
}

/// What is passed on or replaced is not held, so a block may have any number of such lines.
#[test]
fn endless_lines_that_hold_nothing() {
    for line in [": comment\n", "id: 7\n", "event: a\n", "retry: 1\n", "unknown\n", "\n", "\r\n"] {
        assert_eq!(flood(b"", &line.repeat(100).into_bytes()), None, "{line:?}");
    }
}

/// The largest event passes, one byte more does not, however it is cut; what came before is not lost, and
/// nothing is read after.
#[test]
fn the_bound_is_the_same_for_every_cut() {
    let largest = DECODED_EVENT_BYTES - "data: ".len();
    for (length, expected) in [(largest, Ok(())), (largest + 1, Err(TooLarge))] {
        let wire = format!("id: 1\ndata: before\n\ndata: {}\n\n", "x".repeat(length));
        for size in [wire.len(), 1, 4096] {
            let mut decoder = Decoder::new();
            let mut lengths = Vec::new();
            let mut sink = |said| match said {
                Decoded::Message(message) => lengths.push(message.data.len()),
                other => panic!("{other:?}"),
            };
            let read = wire.as_bytes().chunks(size).try_for_each(|chunk| decoder.feed(chunk, &mut sink));
            assert_eq!(read, expected, "{length} in chunks of {size}");
            assert_eq!(decoder.feed(b"", &mut sink), expected);
            if expected.is_err() {
                assert_eq!(decoder.feed(b"\n\ndata: after\n\n", &mut sink), expected);
            }
            assert_eq!(lengths, if expected.is_ok() { vec![6, length] } else { vec![6] });
            assert_eq!(decoder.last_event_id(), "1");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes of every kind, with the structural ones often, neither panic nor depend on the cut.
    #[test]
    fn noise(wire in prop::collection::vec(prop_oneof![
        any::<u8>(),
        prop::sample::select(b"\r\n: \xef\xbb\xbf\0dataid".to_vec()),
    ], 0..64)) {
        let read = |size: usize| {
            let mut decoder = Decoder::new();
            let mut decoded = Vec::new();
            for chunk in wire.chunks(size) {
                decoder.feed(chunk, |said| decoded.push(said)).unwrap();
            }
            decoded
        };
        for size in 1..wire.len() {
            prop_assert_eq!(read(size), read(wire.len()), "in chunks of {}", size);
        }
    }
}
