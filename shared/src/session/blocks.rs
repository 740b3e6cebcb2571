//! The blocks that a stream writes about itself.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::Dialect;
use crate::chance::Chance;
use crate::json;
use crate::limits::OVERLOAD_RETRY_MS;
use crate::log::{End, EndReason, EntryId, Gap, GapReason, Requested, Start};
use crate::sse::{Event, EventName};

/// The first block: when to come back, and the cursor that the stream starts after, so that a reader that is cut
/// before its first message misses nothing.
pub(super) fn opening(retry: Duration, start: &Start, heartbeat: Duration, dialect: Dialect) -> Bytes {
    let event = match &start.gap {
        None => cursor_event(start.after, heartbeat, dialect),
        Some(gap) => gap_event(gap, start.after),
    };
    event.retry(retry).to_bytes()
}

/// Where the reader stands: past what a filter held back, or still there after a silence.
pub(super) fn cursor(after: EntryId, heartbeat: Duration, dialect: Dialect) -> Bytes {
    cursor_event(after, heartbeat, dialect).to_bytes()
}

/// The cursor could not be resumed.
pub(super) fn gap(gap: &Gap, resumes_after: EntryId) -> Bytes {
    gap_event(gap, resumes_after).to_bytes()
}

/// When to come back.
pub(super) fn retry(retry: Duration) -> Bytes {
    Event::new().retry(retry).to_bytes()
}

/// When to come back to a place that is full.
pub(super) fn overloaded(chance: &mut Chance) -> Bytes {
    retry(chance.draw(OVERLOAD_RETRY_MS))
}

/// The whole of a stream that finds the deployment full.
pub(crate) fn no_room(seed: u64) -> Bytes {
    overloaded(&mut Chance::seeded(seed))
}

/// The channel has ended.
pub(super) fn end(end: &End) -> Bytes {
    #[derive(Serialize)]
    struct Data<'a> {
        reason: &'a EndReason,
        last: EntryId,
    }
    let data = Data { reason: &end.reason, last: end.last };
    Event::new().name(EventName::END).id(end.last.into()).json(&json::line(&data)).to_bytes()
}

/// The token has expired.
pub(super) fn expired() -> Bytes {
    Event::new().name(EventName::EXPIRED).data(r#"{"reason":"token expired"}"#).to_bytes()
}

/// A named event, because `onmessage` must not see it, and with data, because common parsers ignore a block that
/// has only an id. It tells the heartbeat, so that a page knows how long a silence may be on a connection that is
/// alive. A bare stream has the id alone.
fn cursor_event(after: EntryId, heartbeat: Duration, dialect: Dialect) -> Event {
    #[derive(Serialize)]
    struct Data {
        cursor: EntryId,
        heartbeat_secs: u64,
    }
    if dialect == Dialect::Bare {
        return Event::new().id(after.into());
    }
    let data = Data { cursor: after, heartbeat_secs: heartbeat.as_secs() };
    Event::new().name(EventName::CURSOR).id(after.into()).json(&json::line(&data))
}

fn gap_event(gap: &Gap, resumes_after: EntryId) -> Event {
    #[derive(Serialize)]
    struct Data<'a> {
        reason: GapReason,
        requested: &'a Requested,
        resumes_after: EntryId,
    }
    let data = Data { reason: gap.reason, requested: &gap.requested, resumes_after };
    Event::new().name(EventName::GAP).id(resumes_after.into()).json(&json::line(&data))
}
