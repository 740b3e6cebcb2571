//! The terms of a channel: how long it is kept, when it ends by itself, and whether it has ended.

use std::time::Duration;

use super::Sql;
use super::interface::{Value, first};
use super::known::{Known, Table};
use super::writes::Writes;
use crate::log::{EndReason, Retention};
use crate::store::Post;
use crate::time::UnixMillis;

/// Made by the first post that has terms.
pub(super) const TABLE: Table = Table {
    name: "terms",
    create: "
    CREATE TABLE IF NOT EXISTS terms (
        one INTEGER PRIMARY KEY CHECK (one = 1), keep INTEGER, lease INTEGER, renewed INTEGER NOT NULL,
        ended TEXT, ended_at INTEGER)",
};
const READ: &str = "SELECT keep, lease, renewed, ended, ended_at FROM terms";
const WRITE: &str = "INSERT OR REPLACE INTO terms VALUES (1, ?1, ?2, ?3, ?4, ?5)";

/// The terms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// How long the channel is kept after its last entry, if not as long as others.
    pub keep: Option<Duration>,
    /// It ends if nothing is appended for so long.
    pub lease: Option<Duration>,
    /// When the lease was last renewed without an entry.
    pub renewed: UnixMillis,
    /// Why and when it has ended.
    pub end: Option<(EndReason, UnixMillis)>,
}

impl Terms {
    pub fn read<S: Sql>(sql: &S) -> Result<Self, S::Failure> {
        let span = |value: &Value| value.number().map(Duration::from_millis);
        let found = first(sql, READ, Vec::new(), |[keep, lease, renewed, ended, ended_at]| {
            let reason = ended.optional_text()?.map(TryInto::try_into).transpose().ok()?;
            let end = reason.zip(ended_at.number().map(UnixMillis));
            Some(Self { keep: span(&keep), lease: span(&lease), renewed: UnixMillis(renewed.number()?), end })
        })?;
        Ok(found.unwrap_or_default())
    }

    /// How much of the channel is kept.
    pub fn retention(&self, of_all: Retention) -> Retention {
        of_all.keeping(self.keep)
    }

    /// What they are after this post, which is stored at `time`, and `begins` a run of its own or not.
    pub fn after(&self, post: &Post, begins: bool, time: UnixMillis) -> Self {
        let crate::store::Terms { close, lease, keep, .. } = &post.terms;
        let before = if begins { Self { keep: *keep, ..Self::default() } } else { self.clone() };
        let renews = post.drafts.is_empty() && lease.is_some();
        Self {
            lease: lease.or(before.lease),
            renewed: if renews { time } else { before.renewed },
            end: close.clone().map(|reason| (reason, time)).or(before.end),
            keep: before.keep,
        }
    }

    /// Why it has ended, as long as it is kept.
    pub fn ended(&self, of_all: Retention, now: UnixMillis) -> Option<&EndReason> {
        let (reason, at) = self.end.as_ref()?;
        self.retention(of_all).keeps(*at, now).then_some(reason)
    }

    /// When the lease runs out of a channel whose last entry was stored at `time`.
    pub fn lease_ends(&self, time: Option<UnixMillis>) -> Option<UnixMillis> {
        let lease = self.lease.filter(|_| self.end.is_none())?;
        Some(time.unwrap_or_default().max(self.renewed) + lease)
    }
}

/// Writes down from when on the lease counts, before the entry that says so is freed.
pub(super) fn outlive<S: Sql>(sql: &S, known: &mut Known) -> Result<(), S::Failure> {
    let Some(time) = known.tail.and_then(|tail| tail.time) else { return Ok(()) };
    if known.terms.lease_ends(Some(time)).is_none() {
        return Ok(());
    }
    let terms = Terms { renewed: time.max(known.terms.renewed), ..known.terms.clone() };
    let mut writes = Writes::default();
    write(known, terms, &mut writes);
    writes.run(sql).map(drop)
}

/// Writes these terms, if they are others than before.
pub(super) fn write(known: &mut Known, terms: Terms, writes: &mut Writes) {
    if known.terms == terms {
        return;
    }
    known.need(&TABLE, writes);
    let millis = |span: Option<Duration>| {
        span.map_or(Value::Null, |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX).into())
    };
    let (reason, at) = terms.end.as_ref().map(|(reason, at)| (reason.as_str(), *at)).unzip();
    let at = at.map_or(Value::Null, |at| at.0.into());
    let row = vec![millis(terms.keep), millis(terms.lease), terms.renewed.0.into(), reason.into(), at];
    writes.push(WRITE, row);
    known.terms = terms;
}
