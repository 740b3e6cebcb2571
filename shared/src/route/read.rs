//! Snapshots: what a feed holds, as one document.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::response;
use crate::feeds::Tick;
use crate::json;
use crate::log::{ChannelName, EntryId, Gap, Snapshot, Subscribe};
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
    document(list, Snapshot { bodies, cursor, more: false, gap: None })
}

fn document(list: &'static str, snapshot: Snapshot) -> Result<Response<Bytes>, Problem> {
    let bodies = snapshot.bodies.into_iter().map(RawValue::from_string).collect::<Result<_, _>>();
    let bodies = bodies.map_err(|e| Problem::Internal { cause: format!("a stored body: {e}") })?;
    let Snapshot { cursor, more, gap, .. } = snapshot;
    let mut response =
        response::json(StatusCode::OK, json::line(&Document { list, bodies, cursor, more, gap }));
    response.headers_mut().insert(header::VARY, http::HeaderValue::from_static("Accept"));
    Ok(response)
}

/// The document of a snapshot: `{"messages":[…],"cursor":"42"}`, with `"more":true` if it was cut, and `"gap":{…}` if
/// the cursor that came could not be resumed.
struct Document {
    list: &'static str,
    bodies: Vec<Box<RawValue>>,
    cursor: EntryId,
    more: bool,
    gap: Option<Gap>,
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(self.list, &self.bodies)?;
        map.serialize_entry("cursor", &self.cursor)?;
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
    /// What to read of it, at most [`SNAPSHOT_ENTRIES`](crate::limits::SNAPSHOT_ENTRIES) entries.
    pub subscribe: Subscribe,
    /// What the answer calls the list of them.
    pub list: &'static str,
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
        document(self.list, snapshot)
    }
}
