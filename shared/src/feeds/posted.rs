//! What is posted to a feed, and what it makes of it.

use std::time::Duration;

use http::HeaderMap;

use super::{Feed, Query};
use crate::access::Rate;
use crate::log::{ChannelName, Draft, Retention};
use crate::problem::Problem;
use crate::store::Terms;

/// A request that posts.
#[derive(Clone, Copy, Debug)]
pub struct Posted<'a> {
    /// Which of [`Feed::media_types`](super::Feed::media_types) the body is; `None` if the request has none.
    pub media_type: Option<&'static str>,
    /// The query.
    pub query: &'a Query<'a>,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
    /// The name of the caller's token, if it has one.
    pub sub: Option<&'a str>,
    /// The longest time for which a channel may ask to be kept.
    pub keep_most: Duration,
}

/// What a request wants stored, and on which terms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drafts {
    /// The entries to be, in their order.
    pub drafts: Vec<Draft>,
    /// The terms.
    pub terms: Terms,
}

impl Drafts {
    /// What a feed makes of a body of JSON that comes alone: with no query and no headers.
    ///
    /// # Errors
    /// As [`Feed::post`].
    pub fn of_json(
        feed: &dyn Feed,
        channel: &ChannelName,
        body: &[u8],
        sub: Option<&str>,
    ) -> Result<Self, Problem> {
        let (query, headers, media_type) = (Query::new(None), HeaderMap::new(), Some("application/json"));
        let keep_most = Duration::MAX;
        feed.post(channel, &Posted { media_type, query: &query, headers: &headers, body, sub, keep_most })
    }
}

impl From<Draft> for Drafts {
    fn from(draft: Draft) -> Self {
        Self { drafts: vec![draft], terms: Terms::default() }
    }
}

/// The entries of a body that comes in chunks of any size.
pub trait Pieces: Send {
    /// Reads a chunk.
    ///
    /// # Errors
    /// The [`Problem`] of an entry that cannot be one, after those before it were read.
    fn push(&mut self, chunk: &[u8]) -> Result<(), Problem>;

    /// The body is whole.
    ///
    /// # Errors
    /// As [`Self::push`].
    fn end(&mut self) -> Result<(), Problem>;

    /// Takes the entries that were read, as many as one post may have.
    fn take(&mut self) -> Vec<Draft>;
}

/// What reads a body as it comes, and the terms of all of it.
pub type Piecewise = (Box<dyn Pieces>, Terms);

/// How much of a channel is kept, and how fast one sender may post to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How much is kept.
    pub retention: Retention,
    /// Posts per second.
    pub rate: u64,
    /// Posts at once.
    pub burst: u64,
}

impl Rules {
    /// How fast one sender may post.
    #[must_use]
    pub const fn posts(&self) -> Rate {
        Rate::per_second(self.rate, self.burst)
    }
}
