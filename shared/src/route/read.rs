//! Snapshots: what a feed holds, as one document.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::response;
use crate::json;
use crate::limits;
use crate::log::{ChannelName, Entry, EntryId, Gap, Start, Subscribe};
use crate::problem::Problem;
use crate::stock::{Symbol, quote_at};
use crate::time::UnixMillis;

/// The snapshot of the simulated market at a tick.
pub(super) fn market(symbols: &[Symbol], tick: UnixMillis) -> Response<Bytes> {
    #[derive(Serialize)]
    struct Document<T> {
        quotes: Vec<T>,
        cursor: String,
    }
    let quotes = symbols.iter().map(|symbol| quote_at(symbol, tick, 0)).collect();
    negotiated(&Document { quotes, cursor: tick.0.to_string() })
}

fn negotiated(value: &impl Serialize) -> Response<Bytes> {
    let mut response = response::json(StatusCode::OK, json::line(value));
    response.headers_mut().insert(header::VARY, http::HeaderValue::from_static("Accept"));
    response
}

/// A snapshot of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The channel.
    pub channel: ChannelName,
    /// What to read of it, at most [`limits::SNAPSHOT_ENTRIES`] entries.
    pub subscribe: Subscribe,
}

/// What a channel answers to a [`Read`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The bodies of the entries, in order.
    pub bodies: Vec<String>,
    /// The id after which a stream goes on.
    pub cursor: EntryId,
    /// The snapshot was cut.
    pub more: bool,
    /// What the cursor that came has missed.
    pub gap: Option<Gap>,
}

impl Read {
    /// The answer: `{"messages":[…],"cursor":"42"}`, with `"more":true` where it was cut, and `"gap":{…}` where
    /// the cursor that came could not be resumed.
    ///
    /// # Errors
    /// [`Problem::Internal`] where the storage holds a body that is no JSON.
    pub fn response(&self, snapshot: Snapshot) -> Result<Response<Bytes>, Problem> {
        #[derive(Serialize)]
        struct Document {
            #[serde(skip_serializing_if = "Option::is_none")]
            messages: Option<Vec<Box<RawValue>>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            notifications: Option<Vec<Box<RawValue>>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            quotes: Option<Vec<Box<RawValue>>>,
            cursor: EntryId,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            more: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            gap: Option<Gap>,
        }
        let bodies = snapshot.bodies.into_iter().map(RawValue::from_string).collect::<Result<Vec<_>, _>>();
        let bodies = bodies.map_err(|e| Problem::Internal { cause: format!("a stored body: {e}") })?;
        let Snapshot { cursor, more, gap, .. } = snapshot;
        let document = Document { messages: None, notifications: None, quotes: None, cursor, more, gap };
        Ok(negotiated(&match self.channel {
            ChannelName::Chat(_) => Document { messages: Some(bodies), ..document },
            ChannelName::Events => Document { notifications: Some(bodies), ..document },
            ChannelName::Stock => Document { quotes: Some(bodies), ..document },
        }))
    }
}

impl Snapshot {
    /// Takes what a [`Read`] wants of the kept entries after `start`, oldest first, and no more of them than it takes to
    /// know: at most [`limits::SNAPSHOT_ENTRIES`], or the newest of each key.
    ///
    /// # Errors
    /// The first of `entries`.
    pub fn take<E>(
        start: Start,
        subscribe: &Subscribe,
        entries: impl IntoIterator<Item = Result<Entry, E>>,
    ) -> Result<Self, E> {
        let (mut taken, mut cursor, mut more) = (Vec::new(), start.after, false);
        for entry in entries {
            let entry = entry?;
            let id = entry.id;
            if subscribe.filter.admits(&entry) {
                more = !subscribe.newest && taken.len() == limits::SNAPSHOT_ENTRIES as usize;
                if more {
                    break;
                }
                taken.push(entry);
            }
            cursor = id;
        }
        let bodies = if subscribe.newest {
            subscribe.filter.newest(&taken).into_iter().map(|(entry, _)| entry.body.clone()).collect()
        } else {
            taken.into_iter().map(|entry| entry.body).collect()
        };
        Ok(Self { bodies, cursor, more, gap: start.gap })
    }
}
