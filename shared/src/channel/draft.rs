//! What a publisher sent, before the channel gave it an id and a time.

use serde::{Deserialize, Serialize};

use super::{Entry, EntryId};
use crate::chat::ChatDraft;
use crate::events::NotificationDraft;
use crate::stock::QuoteDraft;
use crate::time::UnixMillis;

/// An entry to be: checked, but not yet in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Draft {
    /// A chat message.
    Chat(ChatDraft),
    /// A push notification.
    Notification(NotificationDraft),
    /// A published quote.
    Quote(QuoteDraft),
}

impl Draft {
    /// The key by which readers filter the entry.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Chat(_) => None,
            Self::Notification(draft) => Some(draft.topic.as_str()),
            Self::Quote(draft) => Some(draft.symbol.as_str()),
        }
    }

    /// The key whose newest kept entry [`Self::into_entry`] wants to see: that of a quote.
    #[must_use]
    pub fn follows(&self) -> Option<&str> {
        self.key().filter(|_| matches!(self, Self::Quote(_)))
    }

    /// The entry that this draft becomes at `id`. `previous` is the body of the newest kept entry whose key is
    /// [`Self::follows`], from which a quote computes its change.
    #[must_use]
    pub fn into_entry(self, id: EntryId, time: UnixMillis, previous: Option<&str>) -> Entry {
        let key = self.key().map(str::to_owned);
        let (event, body) = match self {
            Self::Chat(draft) => (None, draft.body(id, time)),
            Self::Notification(draft) => (draft.event.clone(), draft.body(id, time)),
            Self::Quote(draft) => (None, draft.body(time, previous)),
        };
        Entry { id, time, event, key, body }
    }
}
