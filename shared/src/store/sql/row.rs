//! Rows of entries: one for each post, however many entries that has.

use serde::{Deserialize, Serialize};

use super::interface::Value;
use super::writes::Writes;
use crate::json;
use crate::log::{Entry, EntryId, Kind};
use crate::sse::EventName;
use crate::time::UnixMillis;

const ONE: &str = "INSERT INTO entries (id, time, event, key, body) VALUES (?1, ?2, ?3, ?4, ?5)";
const MANY: &str = "INSERT INTO entries (id, time, body, count) VALUES (?1, ?2, ?3, ?4)";

/// One of the entries of a row that holds what publishers sent as it is: its name, its key and its data.
#[derive(Serialize, Deserialize)]
struct Data(Option<EventName>, Option<String>, String);

/// Writes these entries, which follow each other, as a row. There is at least one.
pub(super) fn write(entries: &[Entry], writes: &mut Writes) {
    let Some(Entry { id, time, event, key, kind, body }) = entries.first() else { return };
    if *kind == Kind::Object {
        let (event, key) = (event.as_ref().map(EventName::as_str), key.as_deref());
        writes.push(ONE, vec![(*id).into(), time.0.into(), event.into(), key.into(), body.as_str().into()]);
        return;
    }
    let data = |entry: &Entry| Data(entry.event.clone(), entry.key.clone(), entry.body.clone());
    let list = json::line(&entries.iter().map(data).collect::<Vec<_>>());
    writes.push(MANY, vec![(*id).into(), time.0.into(), list.as_str().into(), (entries.len() as u64).into()]);
}

/// The entries of a row, in their order; `None` if it is not as it was written.
pub(super) fn read(row: Vec<Value>) -> Option<Vec<Entry>> {
    let [id, time, event, key, body, count] = row.try_into().ok()?;
    let (id, time, body) = (id.id()?, UnixMillis(time.number()?), body.text()?);
    if count == Value::Null {
        let event = event.optional_text()?.map(TryInto::try_into).transpose().ok()?;
        return Some(vec![Entry { id, time, event, key: key.optional_text()?, kind: Kind::Object, body }]);
    }
    let list: Vec<Data> = serde_json::from_str(&body).ok()?;
    let ids = std::iter::successors(Some(id), |id: &EntryId| Some(id.next()));
    let entry = |(id, Data(event, key, body))| Entry { id, time, event, key, kind: Kind::Data, body };
    Some(ids.zip(list).map(entry).collect())
}
