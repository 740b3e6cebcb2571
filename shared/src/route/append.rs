//! Posts: from the body of a request to the entry that is stored.

use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderValue, Response, StatusCode, header};

use super::response;
use crate::access::{Caller, Key, Rate, Sender};
use crate::chat::{ChatDraft, Room, User};
use crate::events::NotificationDraft;
use crate::limits;
use crate::log::ChannelName;
use crate::post::{Post, Receipt, Stored};
use crate::problem::Problem;
use crate::settings::Settings;
use crate::stock::QuoteDraft;

const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A POST that may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Where to.
    pub channel: ChannelName,
    /// Who posts.
    pub caller: Caller,
    /// For whom its rate counts.
    pub sender: Sender,
    /// By which it may be posted again.
    pub key: Option<Key>,
}

impl Append {
    /// Reads the body, of which the host has taken at most [`limits::BODY_BYTES`] and one byte.
    ///
    /// # Errors
    /// [`Problem::TooLarge`], [`Problem::Malformed`] or [`Problem::Invalid`]; [`Problem::Forbidden`] where no grant covers
    /// the topic that the body names, [`Problem::User`] where it speaks for somebody else.
    pub fn post(&self, body: &[u8], settings: &Settings) -> Result<Post, Problem> {
        if body.len() > limits::BODY_BYTES {
            return Err(Problem::TooLarge);
        }
        let draft = match &self.channel {
            ChannelName::Chat(room) => self.message(room.clone(), body)?.draft(),
            ChannelName::Events => {
                let draft = NotificationDraft::parse(body)?;
                self.caller.authorize_topic(&draft.topic)?;
                draft.draft()
            }
            ChannelName::Stock => QuoteDraft::parse(&settings.stock_symbols, body)?.draft(),
        };
        Ok(Post { draft, sender: self.sender.clone(), key: self.key.clone() })
    }

    /// A message, which the holder of a token says in its own name.
    fn message(&self, room: Room, body: &[u8]) -> Result<ChatDraft, Problem> {
        let Some(sub) = self.caller.sub() else { return Ok(ChatDraft::parse(room, body, None)?) };
        let no_name = |e| Problem::User(format!("the sub of the token is no name for a chat: it {e}"));
        let speaker = User::new(sub).map_err(no_name)?;
        let draft = ChatDraft::parse(room, body, Some(speaker.clone()))?;
        if draft.user == speaker {
            Ok(draft)
        } else {
            Err(Problem::User("must be the sub of the token, or left out".into()))
        }
    }

    /// How many channels its sender may begin in [`limits::NEW_CHANNELS_SPAN`].
    fn most_channels(&self) -> u64 {
        if self.caller.sub().is_some() { limits::NEW_CHANNELS_OF_SUB } else { limits::NEW_CHANNELS }
    }

    /// How fast its sender may begin channels.
    #[must_use]
    pub fn beginning_rate(&self) -> Rate {
        Rate::per_span(self.most_channels(), limits::NEW_CHANNELS_SPAN)
    }

    /// The answer to its sender: `201` with the entry, `200` with the one that was stored by the same key before; for a
    /// message with its `Location`.
    ///
    /// # Errors
    /// [`Problem::KeyReused`], [`Problem::TooFast`], [`Problem::TooManyChannels`].
    pub fn response(&self, receipt: Receipt, settings: &Settings) -> Result<Response<Bytes>, Problem> {
        let (status, stored) = match receipt {
            Receipt::Stored(stored) | Receipt::Begun(stored) => (StatusCode::CREATED, stored),
            Receipt::Replayed(stored) => (StatusCode::OK, stored),
            Receipt::KeyReused => return Err(Problem::KeyReused),
            Receipt::TooFast(wait) => {
                let Settings { post_rate: rate, post_burst: burst, .. } = *settings;
                return Err(Problem::TooFast { rate, burst, retry_after: seconds(wait) });
            }
            Receipt::TooMany(wait) => {
                return Err(Problem::TooManyChannels {
                    most: self.most_channels(),
                    retry_after: seconds(wait),
                });
            }
        };
        let Stored { id, body } = stored;
        let mut response = response::json(status, body);
        if status == StatusCode::OK {
            response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        if let ChannelName::Chat(room) = &self.channel {
            let location = format!("/api/chat/{room}/messages/{id}");
            // A room and an id are visible ASCII, so there is always a header of them.
            if let Ok(location) = location.try_into() {
                response.headers_mut().insert(header::LOCATION, location);
            }
        }
        Ok(response)
    }
}

/// Whole seconds after which a sender may come again.
fn seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).div_ceil(1_000).max(1)
}
