//! The items of the table.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::ops::RangeInclusive;
use std::time::Duration;

use ssedge::log::EntryId;
use ssedge::store::table::{Counter, Found, Item, Order, Put, Remember, Remembered};
use ssedge::time::UnixMillis;

use crate::world::history::Fact;

/// As much as a question is answered with, however many items may be asked for.
const ANSWER_BYTES: usize = 1024 * 1024;

/// What is under a name.
#[derive(Clone, Copy, Debug)]
enum Named {
    Counter(Counter),
    Remembered(Remembered),
}

/// One channel, and what has a name; each with when it may be freed.
#[derive(Debug, Default)]
pub struct Items {
    channel: BTreeMap<EntryId, (Item, UnixMillis)>,
    named: BTreeMap<String, (Named, UnixMillis)>,
    /// What was done and nobody has looked at.
    pub done: Vec<Fact>,
    pub has_freed: bool,
}

impl Items {
    pub fn query(&self, order: Order, limit: u32, from: Option<EntryId>) -> Found {
        let after = match order {
            Order::After(after) | Order::Kept(after, _) => after.max(from.unwrap_or_default()),
            Order::Newest | Order::UpTo(_) => EntryId::BEGINNING,
        };
        let before = match order {
            Order::Newest => from.map_or(Unbounded, Excluded),
            Order::UpTo(last) => from.map_or(Included(last), Excluded),
            Order::After(_) | Order::Kept(..) => Unbounded,
        };
        let range = self.channel.range((Excluded(after), before)).map(|(_, (item, _))| item);
        let ordered: Box<dyn Iterator<Item = &Item>> = match order {
            Order::Newest | Order::UpTo(_) => Box::new(range.rev()),
            Order::After(_) | Order::Kept(..) => Box::new(range),
        };
        let (mut items, mut bytes, mut next) = (Vec::new(), 0, None);
        for (seen, item) in (1..).zip(ordered) {
            bytes += item.entries.iter().map(|entry| entry.body.len()).sum::<usize>();
            // As much as it may: there may be nothing behind it.
            next = (seen == limit || bytes > ANSWER_BYTES).then_some(item.id);
            if !matches!(order, Order::Kept(_, than) if item.time <= than) {
                items.push(item.clone());
            }
            if next.is_some() {
                break;
            }
        }
        Found { items, next }
    }

    pub fn append(&mut self, item: &Item, remember: Option<&Remember>, expires: UnixMillis) -> Put {
        let is_as_read = |remember: &Remember| match self.named.get(&remember.name) {
            Some((Named::Remembered(row), _)) => Some(row.id) == remember.before,
            Some(_) => panic!("{} is something else", remember.name),
            None => remember.before.is_none(),
        };
        if self.channel.contains_key(&item.id) || !remember.is_none_or(is_as_read) {
            return Put::Refused;
        }
        self.channel.insert(item.id, (item.clone(), expires));
        let keep = item.lasting.keep;
        self.done.extend(match item.is_seal() {
            true => item.entries.iter().map(|end| Fact::Deleted(end.time)).collect::<Vec<_>>(),
            false => item.entries.iter().map(|entry| Fact::Stored(entry.clone(), item.run, keep)).collect(),
        });
        if let Some(Remember { name, row, .. }) = remember {
            self.named.insert(name.clone(), (Named::Remembered(*row), expires));
        }
        Put::Stored
    }

    pub fn renew(&mut self, id: EntryId, lease: Duration, renewed: UnixMillis) -> Put {
        let Some((item, _)) = self.channel.get_mut(&id) else { return Put::Refused };
        (item.lasting.lease, item.lasting.renewed) = (Some(lease), Some(renewed));
        Put::Stored
    }

    pub fn remembered(&self, name: &str) -> Option<Remembered> {
        self.named.get(name).map(|(named, _)| match named {
            Named::Remembered(row) => *row,
            Named::Counter(_) => panic!("{name} is a counter"),
        })
    }

    pub fn counter(&self, name: &str) -> Option<Counter> {
        self.named.get(name).map(|(named, _)| match named {
            Named::Counter(counter) => *counter,
            Named::Remembered(_) => panic!("{name} is no counter"),
        })
    }

    pub fn put_counter(&mut self, name: &str, counter: Counter, above: u64, expires: UnixMillis) -> Put {
        if self.counter(name).is_some_and(|counter| counter.value > above) {
            return Put::Refused;
        }
        self.named.insert(name.to_owned(), (Named::Counter(counter), expires));
        Put::Stored
    }

    pub fn add(&mut self, name: &str, by: i64, range: &RangeInclusive<u64>, expires: UnixMillis) -> Put {
        let Some(counter) = self.counter(name).filter(|counter| range.contains(&counter.value)) else {
            return Put::Refused;
        };
        let counter = Counter { value: counter.value.wrapping_add_signed(by), ..counter };
        self.named.insert(name.to_owned(), (Named::Counter(counter), expires));
        Put::Stored
    }

    /// Frees, of what has expired, what `frees` says; how many that is.
    pub fn free(&mut self, now: UnixMillis, mut frees: impl FnMut() -> bool) -> u64 {
        let before = self.channel.len() + self.named.len();
        let has_freed = self.channel.len();
        self.channel.retain(|_, (_, expires)| *expires > now || !frees());
        self.has_freed |= self.channel.len() < has_freed;
        self.named.retain(|_, (_, expires)| *expires > now || !frees());
        (before - self.channel.len() - self.named.len()) as u64
    }
}
