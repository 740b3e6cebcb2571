//! Which keys were used lately, and what was stored by them.

use super::{Counter, Item, Order, Put, Table};
use crate::access::Digest;
use crate::chance::Chance;
use crate::limits::{
    APPEND_RETRY_MS, CLAIM_WINDOW, IDEMPOTENCY_PATIENCE, IDEMPOTENCY_WINDOW, QUERY_ENTRIES, TABLE_GRACE,
};
use crate::log::{ChannelName, EntryId};
use crate::time::UnixMillis;

/// Claims to keys: when a sender first used a key, and how far its channel had come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claims<'a, T> {
    pub table: &'a T,
}

/// What the log says of a key.
#[derive(Debug)]
pub(super) enum ByKey {
    /// This was stored by it.
    Stored(Item),
    /// Nothing was stored by it up to the newest item of the channel, which is this one.
    NotStored(Option<Item>),
}

/// The name of the claim to a key.
fn claim_to(channel: &ChannelName, mark: &Digest) -> String {
    format!("key {channel} {}", mark.as_str())
}

impl<T: Table> Claims<'_, T> {
    /// The claim to a key, if there is one that stands.
    pub(super) async fn standing(
        &self,
        channel: &ChannelName,
        mark: &Digest,
    ) -> Result<Option<Counter>, T::Failure> {
        let claim = self.table.counter(&claim_to(channel, mark)).await?;
        Ok(claim.filter(|claim| claim.value > (self.table.now() - CLAIM_WINDOW).0))
    }

    /// Looks for what was stored by this key. The first who asks claims it, and writes down how far the log had come: all
    /// that is ever stored by the key is behind that, so who has read the log from there on knows whether there is
    /// anything. Whoever knows that there is nothing claims it anew, so that no claim is older than what is stored by
    /// it, and may store, because its put fails if somebody else was first.
    ///
    /// `claimed` is the claim that stands. Whoever may not store anything now (`only_looks`) does not claim it.
    pub(super) async fn find(
        &self,
        channel: &ChannelName,
        mark: &Digest,
        newest: Option<Item>,
        claimed: Option<Counter>,
        only_looks: bool,
    ) -> Result<ByKey, T::Failure> {
        let (now, writer, name) = (self.table.now(), self.table.draw(), claim_to(channel, mark));
        let mut chance = Chance::seeded(writer);
        let from = newest.as_ref().map_or(EntryId::BEGINNING, |newest| newest.id);
        let claim = Counter { value: now.0, from, writer };
        let expires = now + CLAIM_WINDOW + TABLE_GRACE;
        let claimed = match claimed {
            None if only_looks => return Ok(ByKey::NotStored(newest)),
            None => match self.table.put_counter(&name, claim, (now - CLAIM_WINDOW).0, expires).await? {
                Put::Stored => None,
                Put::Refused => self.table.counter(&name).await?,
            },
            claimed => claimed,
        };
        let Some(claimed) = claimed.filter(|claimed| claimed.writer != writer) else {
            return Ok(ByKey::NotStored(newest));
        };
        let (mut newest, mut from) = (newest, claimed.from);
        loop {
            let (found, last) = self.search(channel, from, mark, now - IDEMPOTENCY_WINDOW).await?;
            if let Some(item) = found {
                return Ok(ByKey::Stored(item));
            }
            if let Some(last) = last {
                from = last.id;
                newest = Some(last);
            }
            // Who claimed it is most probably about to store. Whether it does is not to be waited for.
            if self.table.now().since(UnixMillis(claimed.value)) >= IDEMPOTENCY_PATIENCE {
                if !only_looks {
                    // If there is a later claim, that one is as good.
                    self.table.put_counter(&name, Counter { from, ..claim }, now.0, expires).await?;
                }
                return Ok(ByKey::NotStored(newest));
            }
            self.table.pause(chance.draw(0..=*APPEND_RETRY_MS.end())).await;
        }
    }

    /// Reads on from `after` until an entry that is younger than `than` has the mark; with the last item that was read.
    async fn search(
        &self,
        channel: &ChannelName,
        after: EntryId,
        mark: &Digest,
        than: UnixMillis,
    ) -> Result<(Option<Item>, Option<Item>), T::Failure> {
        let (mut last, mut from) = (None, None);
        loop {
            let found = self.table.query(channel, Order::After(after), QUERY_ENTRIES, from).await?;
            from = found.next;
            for item in found.items {
                if item.is_marked(mark) && item.time > than {
                    return Ok((Some(item), last));
                }
                last = Some(item);
            }
            if from.is_none() {
                return Ok((None, last));
            }
        }
    }
}
