//! Callers: who asks, by which token, and what they may do.

use std::borrow::Cow;

use http::header::{self, HeaderMap, HeaderValue};

use super::grant::topic_channel;
use super::token::Token;
use super::{Action, Grants, Sender};
use crate::events::Topic;
use crate::log::ChannelName;
use crate::problem::Problem;
use crate::settings::Settings;
use crate::time::UnixMillis;

/// The cookie that may carry a token, since `EventSource` cannot set a header.
pub const TOKEN_COOKIE: &str = "ssedge_token";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    grants: Grants,
    sub: Option<String>,
    ends: Option<UnixMillis>,
    has_token: bool,
    by_cookie: bool,
}

impl Caller {
    /// Who asks, by the token in `Authorization: Bearer`, else the cookie `ssedge_token`, else the query
    /// parameter `access_token`. The first one that is there decides, also where the next would be better. Without any
    /// the caller has what ANONYMOUS grants.
    ///
    /// # Errors
    /// [`Problem::Unauthorized`] for a token that is not good.
    pub fn authenticate(
        headers: &HeaderMap,
        access_token: Option<&str>,
        settings: &Settings,
        now: UnixMillis,
    ) -> Result<Self, Problem> {
        let (token, by_cookie) = match (bearer(headers), cookie(headers)) {
            (Some(token), _) => (token, false),
            (None, Some(token)) => (token, true),
            (None, None) => match access_token.filter(|token| !token.is_empty()).map(str::to_owned) {
                Some(token) => (token, false),
                None => return Ok(Self::anonymous(settings)),
            },
        };
        let keys =
            settings.auth_secret.iter().flat_map(|key| [Some(key), settings.auth_secret_previous.as_ref()]);
        let Token { sub, grants, ends } =
            Token::read(&token, keys.flatten(), now).map_err(Problem::Unauthorized)?;
        Ok(Self { grants, sub, ends: Some(ends), has_token: true, by_cookie })
    }

    fn anonymous(settings: &Settings) -> Self {
        let grants = settings.anonymous.clone();
        Self { grants, sub: None, ends: None, has_token: false, by_cookie: false }
    }

    /// When what this caller opens ends.
    #[must_use]
    pub const fn ends(&self) -> Option<UnixMillis> {
        self.ends
    }

    /// As whom this caller speaks in a chat, where that is settled.
    #[must_use]
    pub fn sub(&self) -> Option<&str> {
        self.sub.as_deref()
    }

    /// Whether the browser sent the token by itself, so that a page of anybody's may have made it do so.
    #[must_use]
    pub const fn by_cookie(&self) -> bool {
        self.by_cookie
    }

    /// For whom rates and bounds count. `address` is the one that the platform saw.
    #[must_use]
    pub fn sender(&self, address: Option<&str>) -> Sender {
        self.sub().map_or_else(|| Sender::address(address), Sender::subject)
    }

    /// Whether the caller may do this to the channel; of `events`, to any topic of it.
    ///
    /// # Errors
    /// [`Problem::Forbidden`] where no grant covers it.
    pub fn authorize(&self, action: Action, channel: &ChannelName) -> Result<(), Problem> {
        let name = channel.to_string();
        // Events and quotes speak for the service itself: whatever ANONYMOUS says, they want a token.
        let wants_token = action == Action::Publish && !matches!(channel, ChannelName::Chat(_));
        let granted = match channel {
            ChannelName::Events => self.grants.allow_some_topic(action),
            ChannelName::Stock | ChannelName::Chat(_) => self.grants.allow(action, &name),
        };
        self.check(granted && (self.has_token || !wants_token), action, name)
    }

    /// Whether the caller may publish on the topic.
    ///
    /// # Errors
    /// [`Problem::Forbidden`] where no grant covers it.
    pub fn authorize_topic(&self, topic: &Topic) -> Result<(), Problem> {
        let action = Action::Publish;
        let granted = self.has_token && self.grants.allow_topic(action, topic.as_str());
        self.check(granted, action, topic_channel(topic.as_str()))
    }

    /// Whether the caller may subscribe to these topics; `None` is all of them.
    ///
    /// # Errors
    /// [`Problem::Forbidden`] for the first that no grant covers.
    pub fn authorize_topics(&self, topics: Option<&[Topic]>) -> Result<(), Problem> {
        let action = Action::Subscribe;
        let Some(topics) = topics else {
            return self.check(self.grants.allow_all_topics(action), action, topic_channel("*"));
        };
        topics.iter().map(Topic::as_str).try_for_each(|topic| {
            self.check(self.grants.allow_topic(action, topic), action, topic_channel(topic))
        })
    }

    fn check(&self, granted: bool, action: Action, channel: String) -> Result<(), Problem> {
        if granted { Ok(()) } else { Err(Problem::Forbidden { action, channel }) }
    }
}

/// The text of a header, whatever bytes it has: a token with strange ones is a bad token, and not none.
fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// What follows the scheme. It may be nothing, which is a bad token: whoever names the scheme means to bring one.
fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = text(headers.get(header::AUTHORIZATION)?);
    let (scheme, token) = value.split_once([' ', '\t']).unwrap_or((&value, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// The first cookie of the name that is not empty. A browser sends one for each path and domain that set it, and one
/// that was emptied is none.
fn cookie(headers: &HeaderMap) -> Option<String> {
    headers.get_all(header::COOKIE).iter().map(text).find_map(|line| {
        let mut pairs = line.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs
            .find(|(name, token)| *name == TOKEN_COOKIE && !token.is_empty())
            .map(|(_, token)| token.to_owned())
    })
}
