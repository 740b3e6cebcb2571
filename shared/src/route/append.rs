//! Posts: from the body of a request to the entry that is stored.

use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderValue, Response, StatusCode, header};

use super::response;
use crate::access::{Action, Caller, Key, Rate, Scope, Sender};
use crate::feeds::Feed;
use crate::limits;
use crate::log::ChannelName;
use crate::problem::Problem;
use crate::settings::Settings;
use crate::store::{Post, Receipt, Stored};

const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A POST that may go on.
#[derive(Clone, Debug)]
pub struct Append<'a> {
    /// Of which feed.
    pub feed: &'a dyn Feed,
    /// Where to.
    pub channel: ChannelName,
    /// Who posts.
    pub caller: Caller,
    /// For whom its rate counts.
    pub sender: Sender,
    /// By which it may be posted again.
    pub key: Option<Key>,
}

impl Append<'_> {
    /// Reads the body, of which the host has taken at most [`limits::BODY_BYTES`] and one byte.
    ///
    /// # Errors
    /// [`Problem::TooLarge`], [`Problem::Malformed`] or [`Problem::Invalid`]; [`Problem::Forbidden`] if no grant covers the
    /// key that the body names, [`Problem::OtherName`] if it speaks for somebody else.
    pub fn post(&self, body: &[u8]) -> Result<Post, Problem> {
        if body.len() > limits::BODY_BYTES {
            return Err(Problem::TooLarge);
        }
        let draft = self.feed.draft(&self.channel, body, self.caller.sub())?;
        if self.feed.is_granted_by_key() {
            let scope = draft.key.as_deref().map_or(Scope::Whole, Scope::Key);
            let wants_token = !self.feed.is_open_to_anonymous();
            self.caller.authorize(Action::Publish, &self.channel, scope, wants_token)?;
        }
        Ok(Post { draft, sender: self.sender.clone(), key: self.key.clone() })
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

    /// The answer to its sender: `201` with the entry, `200` with the one that was stored by the same key before; with
    /// its `Location` if it has a path of its own.
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
        // A location of visible ASCII is always a header.
        if let Some(Ok(location)) = self.feed.location(&self.channel, id).map(TryInto::try_into) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        Ok(response)
    }
}

/// Whole seconds after which a sender may come again.
fn seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).div_ceil(1_000).max(1)
}
