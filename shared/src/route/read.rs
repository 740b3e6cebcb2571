//! Snapshots: what a feed holds, as one document.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::response;
use crate::feeds::Tick;
use crate::json;
use crate::log::{ChannelName, EndReason, EntryId, Gap, Snapshot, Subscribe};
use crate::problem::Problem;
use crate::time::UnixMillis;

/// A snapshot of what comes by the clock.
pub(super) fn at_tick(
    list: &'static str,
    tick: Option<Tick>,
    now: UnixMillis,
) -> Result<Response<Bytes>, Problem> {
    let at = tick.as_ref().map_or(now, |tick| now.floor(tick.interval));
    let bodies = tick.map_or_else(Vec::new, |tick| tick.ticks.items(at));
    let cursor = EntryId::new(at.0).unwrap_or(EntryId::BEGINNING);
    document(list, false, Snapshot { bodies, cursor, more: false, ended: None, gap: None })
}

fn document(list: &'static str, has_ends: bool, snapshot: Snapshot) -> Result<Response<Bytes>, Problem> {
    let bodies = snapshot.bodies.into_iter().map(RawValue::from_string).collect::<Result<_, _>>();
    let bodies = bodies.map_err(|e| Problem::Internal { cause: format!("a stored body: {e}") })?;
    let Snapshot { cursor, more, ended, gap, .. } = snapshot;
    let closed = has_ends.then(|| ended.map(|reason| Closed { reason }));
    let document = Document { list, bodies, cursor, closed, more, gap };
    let mut response = response::json(StatusCode::OK, json::line(&document));
    response.headers_mut().insert(header::VARY, http::HeaderValue::from_static("Accept"));
    Ok(response)
}

/// The document of a snapshot: `{"messages":[…],"cursor":"42"}`, with `"more":true` if it was cut, and `"gap":{…}` if
/// the cursor that came could not be resumed. Of a channel that can end, `closed` is why it has, or null.
struct Document {
    list: &'static str,
    bodies: Vec<Box<RawValue>>,
    cursor: EntryId,
    closed: Option<Option<Closed>>,
    more: bool,
    gap: Option<Gap>,
}

#[derive(Serialize)]
struct Closed {
    reason: EndReason,
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(self.list, &self.bodies)?;
        map.serialize_entry("cursor", &self.cursor)?;
        if let Some(closed) = &self.closed {
            map.serialize_entry("closed", closed)?;
        }
        if self.more {
            map.serialize_entry("more", &true)?;
        }
        if let Some(gap) = &self.gap {
            map.serialize_entry("gap", gap)?;
        }
        map.end()
    }
}

/// A snapshot of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The channel.
    pub channel: ChannelName,
    /// What to read of it, as much as [`Selection::snapshot`](crate::log::Selection::snapshot) takes.
    pub subscribe: Subscribe,
    /// What the answer calls the list of them.
    pub list: &'static str,
    /// The channel can end.
    pub has_ends: bool,
}

/// One entry of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadEntry {
    /// The channel.
    pub channel: ChannelName,
    /// Which entry.
    pub id: EntryId,
    /// What a client is told if there is none.
    pub missing: &'static str,
}

impl ReadEntry {
    /// The answer: the entry's body, if it is kept.
    ///
    /// # Errors
    /// [`Problem::NotFound`].
    pub fn response(&self, body: Option<String>) -> Result<Response<Bytes>, Problem> {
        let body = body.ok_or(Problem::NotFound(self.missing))?;
        Ok(response::json(StatusCode::OK, body))
    }
}

impl Read {
    /// The answer to its reader.
    ///
    /// # Errors
    /// [`Problem::Internal`] if the storage holds a body that is not JSON.
    pub fn response(&self, snapshot: Snapshot) -> Result<Response<Bytes>, Problem> {
        document(self.list, self.has_ends, snapshot)
    }
}
