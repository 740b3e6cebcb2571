//! Which keys were used lately, and what was stored by them. All processes share it, as notes in the table.

use ssedge::access::Digest;
use ssedge::limits::{APPEND_RETRY_MS, CLAIM_WINDOW, IDEMPOTENCY_PATIENCE, IDEMPOTENCY_WINDOW};
use ssedge::log::{ChannelName, EntryId};
use ssedge::time::UnixMillis;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::host;
use crate::item::{Item, Note};
use crate::store::Store;
use crate::table::{Order, Put};

/// What the log says of a key.
pub enum Known {
    /// What was stored by it.
    Stored(Item),
    /// Nothing; up to this item, the newest of the channel.
    Nothing(Option<Item>),
}

/// The name of the note of who claimed a key.
fn claim_to(channel: &ChannelName, mark: &Digest) -> String {
    format!("key {channel} {}", mark.as_str())
}

impl Store {
    /// The claim to a key, if there is one that stands.
    pub async fn claim(
        &self,
        channel: &ChannelName,
        mark: &Digest,
        now: UnixMillis,
    ) -> Result<Option<Note>, Failure> {
        let claim = self.table.note(&claim_to(channel, mark)).await?;
        Ok(claim.filter(|claim| claim.value > (now - CLAIM_WINDOW).0))
    }

    /// Looks for what was stored by this key. The first who asks claims it, and notes how far the log had come: all
    /// that is ever stored by the key is behind that, so who has read the log from there on knows whether there is
    /// anything. Whoever knows that there is nothing claims it anew, so that no claim is older than what is stored by
    /// it, and may store, because its put fails if somebody else was first.
    ///
    /// `claimed` is the claim that stands. Whoever may not store anything now (`only_looks`) does not claim it.
    pub async fn known_by(
        &self,
        channel: &ChannelName,
        mark: &Digest,
        newest: Option<Item>,
        claimed: Option<Note>,
        only_looks: bool,
        now: UnixMillis,
    ) -> Result<Known, Failure> {
        let writer = host::draw();
        let from = newest.as_ref().map_or(EntryId::BEGINNING, |newest| newest.id);
        let claim = Note { name: claim_to(channel, mark), value: now.0, from, writer };
        let expires = now + CLAIM_WINDOW;
        let claimed = match claimed {
            None if only_looks => return Ok(Known::Nothing(newest)),
            None => match self.table.put_note(&claim, (now - CLAIM_WINDOW).0, expires).await? {
                Put::Stored => None,
                Put::Taken => self.table.note(&claim.name).await?,
            },
            claimed => claimed,
        };
        let Some(claimed) = claimed.filter(|claimed| claimed.writer != writer) else {
            return Ok(Known::Nothing(newest));
        };
        let (mut newest, mut from) = (newest, claimed.from);
        loop {
            let (found, last) = self.find(channel, from, mark, now - IDEMPOTENCY_WINDOW).await?;
            if let Some(item) = found {
                return Ok(Known::Stored(item));
            }
            if let Some(last) = last {
                from = last.id;
                newest = Some(last);
            }
            // Who claimed it is most probably about to store. Whether it does is not to be waited for.
            if host::now().since(UnixMillis(claimed.value)) >= IDEMPOTENCY_PATIENCE {
                if !only_looks {
                    // Where there is a later claim, that one is as good.
                    self.table.put_note(&Note { from, ..claim }, now.0, expires).await?;
                }
                return Ok(Known::Nothing(newest));
            }
            sleep(host::jitter(*APPEND_RETRY_MS.end())).await;
        }
    }

    /// Reads on from `after` until an entry that is younger than `than` has the mark; with the last item that was read.
    async fn find(
        &self,
        channel: &ChannelName,
        after: EntryId,
        mark: &Digest,
        than: UnixMillis,
    ) -> Result<(Option<Item>, Option<Item>), Failure> {
        let (mut last, mut from) = (None, None);
        loop {
            let order = Order::After(after);
            let found = self.table.query(channel, order, ssedge::limits::QUERY_ENTRIES, from).await?;
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
