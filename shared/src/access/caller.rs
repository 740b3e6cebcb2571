//! Callers: who asks, by which token, and what they may do.

use std::borrow::Cow;

use http::header::{self, HeaderMap, HeaderValue};

use super::token::Token;
use super::{Action, Grants, InvalidToken, Scope, Secret, Sender};
use crate::log::ChannelName;
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
    /// parameter `access_token`. The first one that is there decides, even if a later one would grant more. Without any
    /// the caller has what ANONYMOUS grants.
    ///
    /// `secrets` are the keys with which a token may be signed.
    ///
    /// # Errors
    /// [`InvalidToken`] for a token that is not good.
    pub fn authenticate<'a>(
        headers: &HeaderMap,
        access_token: Option<&str>,
        anonymous: &Grants,
        secrets: impl IntoIterator<Item = &'a Secret>,
        now: UnixMillis,
    ) -> Result<Self, InvalidToken> {
        let (token, by_cookie) = match (bearer(headers), cookie(headers)) {
            (Some(token), _) => (token, false),
            (None, Some(token)) => (token, true),
            (None, None) => match access_token.filter(|token| !token.is_empty()).map(str::to_owned) {
                Some(token) => (token, false),
                None => return Ok(Self::anonymous(anonymous.clone())),
            },
        };
        let Token { sub, grants, ends } = Token::read(&token, secrets, now)?;
        Ok(Self { grants, sub, ends: Some(ends), has_token: true, by_cookie })
    }

    const fn anonymous(grants: Grants) -> Self {
        Self { grants, sub: None, ends: None, has_token: false, by_cookie: false }
    }

    /// When what this caller opens ends.
    #[must_use]
    pub const fn ends(&self) -> Option<UnixMillis> {
        self.ends
    }

    /// The name of the caller, if its token has one.
    #[must_use]
    pub fn sub(&self) -> Option<&str> {
        self.sub.as_deref()
    }

    /// Whether the browser added the token by itself, as it does for any page that asks.
    #[must_use]
    pub const fn by_cookie(&self) -> bool {
        self.by_cookie
    }

    /// For whom rates and bounds count. `address` is the one that the platform saw.
    #[must_use]
    pub fn sender(&self, address: Option<&str>) -> Sender {
        self.sub().map_or_else(|| Sender::address(address), Sender::subject)
    }

    /// Whether the caller may do this. `wants_token` says that ANONYMOUS cannot grant it.
    ///
    /// # Errors
    /// [`Forbidden`] if no grant covers it.
    pub fn authorize(
        &self,
        action: Action,
        channel: &ChannelName,
        scope: Scope<'_>,
        wants_token: bool,
    ) -> Result<(), Forbidden> {
        let granted = self.grants.allow(action, channel.as_str(), scope);
        if granted && (self.has_token || !wants_token) {
            return Ok(());
        }
        let channel = match scope {
            Scope::Whole | Scope::SomeKey => channel.to_string(),
            Scope::Key(key) => format!("{channel}/{key}"),
            Scope::EveryKey => format!("{channel}/*"),
        };
        Err(Forbidden { action, channel })
    }
}

/// No grant covers what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no grant to {action} {channel}")]
pub struct Forbidden {
    /// What was tried.
    pub action: Action,
    /// To what, as a grant would name it.
    pub channel: String,
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

/// The first cookie of the name that is not empty. A browser sends one for each path and domain that set it, and an
/// empty one counts as none.
fn cookie(headers: &HeaderMap) -> Option<String> {
    headers.get_all(header::COOKIE).iter().map(text).find_map(|line| {
        let mut pairs = line.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs
            .find(|(name, token)| *name == TOKEN_COOKIE && !token.is_empty())
            .map(|(_, token)| token.to_owned())
    })
}
