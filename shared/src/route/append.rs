//! Posts: from the body of a request to the entries that are stored.

use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::response;
use super::streamed::Streamed;
use crate::access::{Action, Caller, Key, Rate, Scope, Sender};
use crate::feeds::{Drafts, Feed, Posted, Query, Rules};
use crate::limits;
use crate::log::{ChannelName, Draft};
use crate::problem::Problem;
use crate::store::{Post, Receipt, Stored, Terms};

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
    /// The rules of the channel.
    pub rules: Rules,
    pub(super) media_type: Option<&'static str>,
    pub(super) query: Query<'a>,
    pub(super) headers: &'a HeaderMap,
}

impl Append<'_> {
    /// Bytes of the body that a host takes, and one more, which is one too many.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        self.feed.body_bytes()
    }

    /// Reads the body, of which the host has taken at most [`Self::body_bytes`] and one byte.
    ///
    /// # Errors
    /// [`Problem::TooLarge`], [`Problem::Malformed`] or [`Problem::Invalid`]; [`Problem::Forbidden`] if no grant covers the
    /// key that the body names, or an entry where only the end is granted; [`Problem::OtherName`] if it speaks for somebody
    /// else.
    pub fn post(&self, body: &[u8]) -> Result<Post, Problem> {
        if body.len() > self.body_bytes() {
            return Err(Problem::too_large(self.body_bytes()));
        }
        if self.media_type.is_none() && !body.is_empty() {
            return Err(Problem::UnsupportedMediaType(self.feed.media_types()));
        }
        let Drafts { drafts, terms } = self.feed.post(&self.channel, &self.posted(body))?;
        self.of(drafts, terms)
    }

    /// A post of these drafts, if the caller may post them.
    pub(super) fn of(&self, drafts: Vec<Draft>, terms: Terms) -> Result<Post, Problem> {
        self.authorize(&drafts, &terms)?;
        Ok(Post { drafts, sender: self.sender.clone(), key: self.key.clone(), terms })
    }

    /// The post as one that is appended while its body arrives: one without a length, of a media type whose entries are known
    /// before its end, and without a key, which stands for the whole of it.
    ///
    /// # Errors
    /// [`Problem::Invalid`].
    pub fn streamed(&self) -> Result<Option<Streamed<'_>>, Problem> {
        if self.key.is_some() || self.headers.contains_key(header::CONTENT_LENGTH) {
            return Ok(None);
        }
        let pieces = self.feed.pieces(&self.posted(&[]))?;
        Ok(pieces.map(|(pieces, terms)| Streamed::new(self, pieces, terms)))
    }

    fn posted<'b>(&'b self, body: &'b [u8]) -> Posted<'b> {
        let Self { media_type, query, headers, caller, rules, .. } = self;
        let (media_type, sub, keep_most) = (*media_type, caller.sub(), rules.retention.age);
        Posted { media_type, query, headers, body, sub, keep_most }
    }

    /// Whether the caller may post this, once it is known.
    fn authorize(&self, drafts: &[Draft], terms: &Terms) -> Result<(), Problem> {
        let wants_token = !self.feed.is_open_to_anonymous();
        let may = |action, scope| self.caller.authorize(action, &self.channel, scope, wants_token);
        if self.feed.is_granted_by_key() {
            return Ok(drafts.iter().try_for_each(|draft| {
                may(Action::Publish, draft.key.as_deref().map_or(Scope::Whole, Scope::Key))
            })?);
        }
        let only_closes = drafts.is_empty() && terms.close.is_some();
        match may(Action::Publish, Scope::Whole) {
            Err(_) if only_closes => Ok(may(Action::Close, Scope::Whole)?),
            granted => Ok(granted?),
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

    /// The answer to its sender: `201` with what was stored, `200` with what was stored by the same key before or is so
    /// already; with its `Location` if it has a path of its own.
    ///
    /// # Errors
    /// [`Problem::KeyReused`], [`Problem::Ended`], [`Problem::Unmet`], [`Problem::TooFast`], [`Problem::TooManyChannels`].
    pub fn response(&self, receipt: Receipt) -> Result<Response<Bytes>, Problem> {
        let is_replay = matches!(receipt, Receipt::Replayed(_));
        let (status, stored) = match receipt {
            Receipt::Stored(stored) | Receipt::Begun(stored) => (StatusCode::CREATED, stored),
            Receipt::Replayed(stored) | Receipt::Same(stored) => (StatusCode::OK, stored),
            Receipt::KeyReused => return Err(Problem::KeyReused),
            Receipt::Ended { reason, last } => return Err(Problem::Ended { reason, last }),
            Receipt::Unmet { last } => return Err(Problem::Unmet { field: self.precondition(), last }),
            Receipt::TooFast(wait) => {
                let Rules { rate, burst, .. } = self.rules;
                return Err(Problem::TooFast { rate, burst, retry_after: seconds(wait) });
            }
            Receipt::TooMany(wait) => {
                return Err(Problem::TooManyChannels {
                    most: self.most_channels(),
                    retry_after: seconds(wait),
                });
            }
        };
        let Stored { last, body } = stored;
        let mut response = response::json(status, body);
        let headers = response.headers_mut();
        if is_replay {
            headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        if self.feed.has_ends() {
            headers.insert(header::ETAG, response::etag(last));
        }
        // A location of visible ASCII is always a header.
        if let Some(Ok(location)) = self.feed.location(&self.channel, last).map(TryInto::try_into) {
            headers.insert(header::LOCATION, location);
        }
        Ok(response)
    }

    fn precondition(&self) -> &'static str {
        let has_tag = self.headers.get(header::IF_MATCH).is_some_and(|tag| !tag.is_empty());
        if has_tag { "If-Match" } else { "If-None-Match" }
    }
}

/// Whole seconds after which a sender may come again.
fn seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).div_ceil(1_000).max(1)
}
