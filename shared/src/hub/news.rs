//! What a channel tells its hubs: entries, encoded once.

use std::ops::Range;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};

use crate::log::{Batch, End, EndReason, Entry, EntryId, Filter, Kind};
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
    /// How many of them, at its beginning, are the line with its name.
    pub name: u8,
    /// The reason, if it is the end of the channel, which has no block.
    pub ends: Option<EndReason>,
}

/// Entries that follow each other in one run of a log. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News<F> {
    /// The first id of the run.
    pub run: EntryId,
    /// The id before the first entry, as a [`Batch`] names it.
    pub after: EntryId,
    /// How long an entry of the channel is kept.
    pub age: Duration,
    /// The entries, oldest first; the last one may be the end.
    pub heads: Vec<Head>,
    /// Their blocks, in the same order.
    pub frame: F,
}

/// The length of a key that there is not.
const NO_KEY: u16 = u16::MAX;
/// What stands in its place if the entry is the end: the reason follows, with its length before it.
const END: u16 = u16::MAX - 1;

impl News<Bytes> {
    /// Encodes the entries of a run, up to the end if that is among them; `None` if there are none.
    #[must_use]
    pub fn encode(run: EntryId, after: EntryId, age: Duration, entries: &[Entry]) -> Option<Self> {
        let mut frame = Vec::new();
        let encode = |entry: &Entry| {
            let before = frame.len();
            entry.encode(&mut frame);
            let ends = (entry.kind == Kind::End).then(|| EndReason::new(&entry.body).ok()).flatten();
            let (bytes, name) = (frame.len() - before, name_line(entry));
            Head { id: entry.id, time: entry.time, key: entry.key.clone(), bytes, name, ends }
        };
        let ends = entries.iter().position(|entry| entry.kind == Kind::End);
        let entries = &entries[..ends.map_or(entries.len(), |end| end + 1)];
        let heads: Vec<_> = entries.iter().map(encode).collect();
        (!heads.is_empty()).then(|| Self { run, after, age, heads, frame: frame.into() })
    }

    /// The message that [`News::read`] reads: whether the hub is to answer it, `run`, `after`, `age` in milliseconds and the
    /// number of entries; for each its id, its time, the length of its block and of the line with its name, and its key or its reason; then the frame.
    /// Numbers are big-endian.
    #[must_use]
    pub fn write(&self, wants_answer: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + 32 * self.heads.len() + self.frame.len());
        out.put_u8(wants_answer.into());
        out.put_u64(self.run.get());
        out.put_u64(self.after.get());
        out.put_u64(u64::try_from(self.age.as_millis()).unwrap_or(u64::MAX));
        out.put_u32(u32::try_from(self.heads.len()).unwrap_or(u32::MAX));
        for head in &self.heads {
            out.put_u64(head.id.get());
            out.put_u64(head.time.0);
            out.put_u32(u32::try_from(head.bytes).unwrap_or(u32::MAX));
            out.put_u8(head.name);
            // A key is shorter by far: every feed bounds it.
            let length = |text: &str| u16::try_from(text.len()).unwrap_or(NO_KEY);
            if let Some(reason) = &head.ends {
                out.put_u16(END);
                out.put_u16(length(reason.as_str()));
                out.put_slice(reason.as_str().as_bytes());
            } else {
                out.put_u16(head.key.as_deref().map_or(NO_KEY, length));
                out.put_slice(head.key.as_deref().unwrap_or_default().as_bytes());
            }
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
        let age = Duration::from_millis(rest.try_get_u64().ok()?);
        let count = rest.try_get_u32().ok()?;
        let heads: Option<Vec<_>> = (0..count).map(|_| head(&mut rest)).collect();
        let heads = heads.filter(|heads| !heads.is_empty())?;
        let bytes: usize = heads.iter().map(|head| head.bytes).sum();
        (rest.len() == bytes).then(|| {
            let frame = frame(message.len() - bytes);
            (Self { run, after, age, heads, frame }, wants_answer)
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
        Batch { after: self.after, upto: self.last(), shown, frame: joined(&parts), end: self.end() }
    }

    /// The end, if it brings it.
    pub(super) fn end(&self) -> Option<End> {
        let (head, before) = self.heads.split_last()?;
        let last = before.last().map_or(self.after, |head| head.id);
        head.ends.clone().map(|reason| End { reason, last })
    }

    /// Adds the blocks behind `after` that the filter admits to `parts`; says which is the last.
    pub(super) fn parts(&self, after: EntryId, filter: &Filter, parts: &mut Vec<F>) -> EntryId {
        let (mut shown, mut at, mut range) = (EntryId::BEGINNING, 0, 0..0);
        for head in &self.heads {
            let begin = if filter.has_names() { 0 } else { usize::from(head.name).min(head.bytes) };
            let (from, to) = (at + begin, at + head.bytes);
            at += head.bytes;
            if head.id <= after || head.ends.is_some() || !filter.admits_key(head.key.as_deref()) {
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
        if !range.is_empty() {
            let is_all = range == (0..self.frame.len());
            parts.push(if is_all { self.frame.clone() } else { self.frame.part(range) });
        }
        shown
    }
}

/// Bytes of the line with the entry's name, with which its block begins.
fn name_line(entry: &Entry) -> u8 {
    let bytes = entry.event.as_ref().map_or(0, |name| "event: \n".len() + name.as_str().len());
    u8::try_from(bytes).unwrap_or(0)
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
    let name = rest.try_get_u8().ok()?;
    let (mut key, mut ends) = (None, None);
    match rest.try_get_u16().ok()? {
        NO_KEY => {}
        END => {
            let length = rest.try_get_u16().ok()?;
            ends = Some(EndReason::new(&text(rest, length)?).ok()?);
        }
        length => key = Some(text(rest, length)?),
    }
    Some(Head { id, time, key, bytes, name, ends })
}

fn text(rest: &mut &[u8], length: u16) -> Option<String> {
    let text = rest.split_off(..usize::from(length))?;
    Some(std::str::from_utf8(text).ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sse::EventName;

    fn entry(id: u64, key: Option<&str>) -> Entry {
        let (id, key) = (EntryId::new(id).unwrap(), key.map(str::to_owned));
        let (kind, body) = (Kind::Object, format!("[{}]", id.get()));
        let event = (id.get() % 2 == 0).then(|| EventName::published("order-created").unwrap());
        Entry { id, time: UnixMillis(7), event, key, kind, body }
    }

    fn news() -> (Vec<Entry>, News<Bytes>) {
        let entries = [Some("a"), Some("b"), None, Some("a"), Some("é")];
        let mut entries: Vec<_> = (11..).zip(entries).map(|(id, key)| entry(id, key)).collect();
        entries.push(Entry::end_at(EntryId::new(16).unwrap(), UnixMillis(8), &EndReason::DONE));
        let (run, after) = (EntryId::new(11).unwrap(), EntryId::new(5).unwrap());
        let news = News::encode(run, after, Duration::from_secs(60), &entries).unwrap();
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
        let none = News::<Bytes>::encode(EntryId::BEGINNING, EntryId::BEGINNING, Duration::ZERO, &[]);
        assert_eq!(none, None);
    }

    #[test]
    fn a_reader_gets_what_its_filter_admits() {
        let (entries, news) = news();
        for keys in [&["a"][..], &["b", "é"], &["a", "b"], &["x"]] {
            let filter = Filter::keys(keys.iter().map(|key| (*key).to_owned()));
            assert_eq!(Some(news.batch(&filter)), Batch::encode(news.after, &entries, &filter), "{keys:?}");
        }
        for filter in [Filter::ALL, Filter::keys(["a".to_owned()])] {
            let bare = filter.without_names();
            assert_eq!(Some(news.batch(&bare)), Batch::encode(news.after, &entries, &bare), "without names");
        }
        let all = news.batch(&Filter::ALL);
        assert_eq!(Some(&all), Batch::encode(news.after, &entries, &Filter::ALL).as_ref());
        assert_eq!(all.frame.unwrap().as_ptr(), news.frame.as_ptr(), "it is not copied");
    }

    #[test]
    fn an_end_alone_has_no_frame() {
        let (run, after) = (EntryId::new(11).unwrap(), EntryId::new(15).unwrap());
        let end = Entry::end_at(after.next(), UnixMillis(8), &EndReason::ABANDONED);
        // One that is deleted may be closed before anybody is told, at the same id.
        let again = Entry { body: "done".to_owned(), ..end.clone() };
        let news = News::encode(run, after, Duration::from_secs(60), &[end, again]).unwrap();
        let message = Bytes::from(news.write(false));
        assert_eq!(News::read(&message, |at| message.slice(at..)), Some((news.clone(), false)));
        let batch = news.batch(&Filter::keys(["a".to_owned()]));
        let end = Some(End { reason: EndReason::ABANDONED, last: after });
        assert_eq!((batch.after, batch.upto, batch.frame, batch.end), (after, after.next(), None, end));
    }
}
