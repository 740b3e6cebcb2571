//! What a channel tells its hubs: entries, encoded once.

use std::ops::Range;

use bytes::{Buf, BufMut, Bytes};

use crate::log::{Batch, Entry, EntryId, Filter};
use crate::session::Frame;
use crate::time::UnixMillis;

/// Bytes that can be taken apart and put together without being looked at.
pub trait Block: Frame + Clone {
    /// The bytes in this range, which share their memory with all of them.
    #[must_use]
    fn part(&self, range: Range<usize>) -> Self;

    /// One after the other.
    #[must_use]
    fn join(parts: &[Self]) -> Self;
}

impl Block for Bytes {
    fn part(&self, range: Range<usize>) -> Self {
        self.slice(range)
    }

    fn join(parts: &[Self]) -> Self {
        parts.concat().into()
    }
}

/// One entry in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its id.
    pub id: EntryId,
    /// When it was stored.
    pub time: UnixMillis,
    /// What a filter looks at.
    pub key: Option<String>,
    /// The bytes of its block.
    pub bytes: usize,
}

/// Entries that follow each other in one run of a log. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News<F> {
    /// The first id of the run.
    pub run: EntryId,
    /// The id before the first entry, as a [`Batch`] names it.
    pub after: EntryId,
    /// The entries, oldest first.
    pub heads: Vec<Head>,
    /// Their blocks, in the same order.
    pub frame: F,
}

/// The length of a key that there is not.
const NO_KEY: u16 = u16::MAX;

impl News<Bytes> {
    /// Encodes the entries of a run; `None` if there are none.
    #[must_use]
    pub fn encode(run: EntryId, after: EntryId, entries: &[Entry]) -> Option<Self> {
        let mut frame = Vec::new();
        let encode = |entry: &Entry| {
            let before = frame.len();
            entry.encode(&mut frame);
            Head { id: entry.id, time: entry.time, key: entry.key.clone(), bytes: frame.len() - before }
        };
        let heads: Vec<_> = entries.iter().map(encode).collect();
        (!heads.is_empty()).then(|| Self { run, after, heads, frame: frame.into() })
    }

    /// The message that [`News::read`] reads: whether the hub is to answer it, `run`, `after` and the number of entries; for
    /// each its id, its time, the length of its block and its key; then the frame. Numbers are big-endian.
    #[must_use]
    pub fn write(&self, wants_answer: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + 32 * self.heads.len() + self.frame.len());
        out.put_u8(wants_answer.into());
        out.put_u64(self.run.get());
        out.put_u64(self.after.get());
        out.put_u32(u32::try_from(self.heads.len()).unwrap_or(u32::MAX));
        for head in &self.heads {
            out.put_u64(head.id.get());
            out.put_u64(head.time.0);
            out.put_u32(u32::try_from(head.bytes).unwrap_or(u32::MAX));
            let key = head.key.as_deref();
            // A key is shorter by far: every feed bounds it.
            out.put_u16(key.map_or(NO_KEY, |key| u16::try_from(key.len()).unwrap_or(NO_KEY)));
            out.put_slice(key.unwrap_or_default().as_bytes());
        }
        out.put_slice(&self.frame);
        out
    }
}

impl<F: Block> News<F> {
    /// Reads what [`News::write`] wrote, and whether it is to be answered. `frame` gives the bytes that begin there. `None` if
    /// it is not such a message.
    pub fn read(message: &[u8], frame: impl FnOnce(usize) -> F) -> Option<(Self, bool)> {
        let mut rest = message;
        let wants_answer = rest.try_get_u8().ok()? == 1;
        let run = id(&mut rest)?;
        let after = id(&mut rest)?;
        let count = rest.try_get_u32().ok()?;
        let heads: Option<Vec<_>> = (0..count).map(|_| head(&mut rest)).collect();
        let heads = heads.filter(|heads| !heads.is_empty())?;
        let bytes: usize = heads.iter().map(|head| head.bytes).sum();
        (rest.len() == bytes).then(|| {
            let frame = frame(message.len() - bytes);
            (Self { run, after, heads, frame }, wants_answer)
        })
    }

    /// The newest id.
    #[must_use]
    pub fn last(&self) -> EntryId {
        self.heads.last().map_or(self.after, |head| head.id)
    }

    /// What of it a reader gets.
    #[must_use]
    pub fn batch(&self, filter: &Filter) -> Batch<F> {
        let mut parts = Vec::new();
        let shown = self.parts(self.after, filter, &mut parts);
        Batch { after: self.after, upto: self.last(), shown, frame: joined(&parts) }
    }

    /// Adds the blocks behind `after` that the filter admits to `parts`; says which is the last.
    pub(super) fn parts(&self, after: EntryId, filter: &Filter, parts: &mut Vec<F>) -> EntryId {
        let (mut shown, mut at, mut range) = (EntryId::BEGINNING, 0, 0..0);
        for head in &self.heads {
            let (from, to) = (at, at + head.bytes);
            at = to;
            if head.id <= after || !filter.admits_key(head.key.as_deref()) {
                continue;
            }
            shown = head.id;
            if range.end == from && !range.is_empty() {
                range.end = to;
            } else {
                parts.extend((!range.is_empty()).then(|| self.frame.part(range)));
                range = from..to;
            }
        }
        if range == (0..self.frame.len()) {
            parts.push(self.frame.clone());
        } else if !range.is_empty() {
            parts.push(self.frame.part(range));
        }
        shown
    }
}

/// All parts as one frame; `None` if there are none.
pub(super) fn joined<F: Block>(parts: &[F]) -> Option<F> {
    match parts {
        [] => None,
        [one] => Some(one.clone()),
        parts => Some(F::join(parts)),
    }
}

fn id(rest: &mut &[u8]) -> Option<EntryId> {
    EntryId::new(rest.try_get_u64().ok()?).ok()
}

fn head(rest: &mut &[u8]) -> Option<Head> {
    let id = id(rest)?;
    let time = UnixMillis(rest.try_get_u64().ok()?);
    let bytes = rest.try_get_u32().ok()? as usize;
    let length = rest.try_get_u16().ok()?;
    let key = match length {
        NO_KEY => None,
        length => {
            let key = rest.split_off(..usize::from(length))?;
            Some(std::str::from_utf8(key).ok()?.to_owned())
        }
    };
    Some(Head { id, time, key, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u64, key: Option<&str>) -> Entry {
        let (id, key) = (EntryId::new(id).unwrap(), key.map(str::to_owned));
        Entry { id, time: UnixMillis(7), event: None, key, body: format!("[{}]", id.get()) }
    }

    fn news() -> (Vec<Entry>, News<Bytes>) {
        let entries = [Some("a"), Some("b"), None, Some("a"), Some("é")];
        let entries: Vec<_> = (11..).zip(entries).map(|(id, key)| entry(id, key)).collect();
        let news = News::encode(EntryId::new(11).unwrap(), EntryId::new(5).unwrap(), &entries).unwrap();
        (entries, news)
    }

    #[test]
    fn what_is_written_is_read() {
        let (_, news) = news();
        for wants_answer in [false, true] {
            let message = Bytes::from(news.write(wants_answer));
            let read = News::read(&message, |at| message.slice(at..)).unwrap();
            assert_eq!(read, (news.clone(), wants_answer));
        }
    }

    #[test]
    fn nothing_else_is_read() {
        let message = Bytes::from(news().1.write(true));
        for length in 0..message.len() {
            assert_eq!(News::read(&message[..length], |_| Bytes::new()), None, "{length} bytes");
        }
        let longer = [&message[..], b"x"].concat();
        assert_eq!(News::read(&longer, |_| Bytes::new()), None);
        assert_eq!(News::<Bytes>::encode(EntryId::BEGINNING, EntryId::BEGINNING, &[]), None);
    }

    #[test]
    fn a_reader_gets_what_its_filter_admits() {
        let (entries, news) = news();
        for keys in [&["a"][..], &["b", "é"], &["a", "b"], &["x"]] {
            let filter = Filter::keys(keys.iter().map(|key| (*key).to_owned()));
            assert_eq!(Some(news.batch(&filter)), Batch::encode(news.after, &entries, &filter), "{keys:?}");
        }
        let all = news.batch(&Filter::ALL);
        assert_eq!(Some(&all), Batch::encode(news.after, &entries, &Filter::ALL).as_ref());
        assert_eq!(all.frame.unwrap().as_ptr(), news.frame.as_ptr(), "it is not copied");
    }
}
