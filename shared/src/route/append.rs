//! Posts: from the body of a request to the entry that is stored.

use bytes::Bytes;
use http::{Response, StatusCode, header};

use super::response;
use crate::channel::{ChannelName, Draft, EntryId};
use crate::chat::ChatDraft;
use crate::events::NotificationDraft;
use crate::limits;
use crate::problem::Problem;
use crate::settings::Settings;
use crate::stock::QuoteDraft;

/// A POST that may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Where to.
    pub channel: ChannelName,
}

impl Append {
    /// Reads the body, of which the host has taken at most [`limits::BODY_BYTES`] and one byte.
    ///
    /// # Errors
    /// [`Problem::TooLarge`], [`Problem::Malformed`] or [`Problem::Invalid`].
    pub fn draft(&self, body: &[u8], settings: &Settings) -> Result<Draft, Problem> {
        if body.len() > limits::BODY_BYTES {
            return Err(Problem::TooLarge);
        }
        Ok(match &self.channel {
            ChannelName::Chat(room) => Draft::Chat(ChatDraft::parse(room.clone(), body)?),
            ChannelName::Events => Draft::Notification(NotificationDraft::parse(body)?),
            ChannelName::Stock => Draft::Quote(QuoteDraft::parse(&settings.stock_symbols, body)?),
        })
    }

    /// The answer once the entry is stored: `201`, the entry, and for a message its `Location`.
    #[must_use]
    pub fn response(&self, id: EntryId, body: String) -> Response<Bytes> {
        let mut response = response::json(StatusCode::CREATED, body);
        if let ChannelName::Chat(room) = &self.channel {
            let location = format!("/api/chat/{room}/messages/{id}");
            // A room and an id are visible ASCII, so there is always a header of them.
            if let Ok(location) = location.try_into() {
                response.headers_mut().insert(header::LOCATION, location);
            }
        }
        response
    }
}
