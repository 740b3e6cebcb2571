//! Who may do what: grants by pattern, and the callers that hold them.

use std::fmt;
use std::str::FromStr;

use http::header::{self, HeaderMap};

use crate::problem::Problem;
use crate::settings::Settings;

/// The cookie that may carry a token, since `EventSource` cannot set a header.
pub const TOKEN_COOKIE: &str = "ssedge_token";

/// What a grant allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To read a channel.
    Subscribe,
    /// To write to it.
    Publish,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
        })
    }
}

/// Which channels a grant is for: one (`chat/lobby`), all below a prefix (`chat/*`), or all (`*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

/// The text is not a list of grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGrant {
    /// A grant is a verb and a pattern.
    #[error("a grant is `subscribe` or `publish`, a space and a pattern, as in `publish chat/*`")]
    Shape,
    /// The pattern is none.
    #[error("a pattern is a channel, a prefix that ends in /*, or *")]
    Pattern,
}

impl Pattern {
    /// Whether it covers the channel. Names are compared as they are: nothing is decoded, folded or normalised.
    #[must_use]
    pub fn covers(&self, channel: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => channel.starts_with(prefix),
            None => self.0 == channel,
        }
    }
}

impl FromStr for Pattern {
    type Err = InvalidGrant;

    fn from_str(text: &str) -> Result<Self, InvalidGrant> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/_.-".contains(&b);
        let prefix = text.strip_suffix("/*").unwrap_or(text);
        let well_formed = text == "*" || (!prefix.is_empty() && prefix.bytes().all(plain));
        well_formed.then(|| Self(text.to_owned())).ok_or(InvalidGrant::Pattern)
    }
}

/// What a caller may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    subscribe: Vec<Pattern>,
    publish: Vec<Pattern>,
}

impl Grants {
    /// Whether one of the grants covers the channel.
    #[must_use]
    pub fn allow(&self, action: Action, channel: &str) -> bool {
        let patterns = match action {
            Action::Subscribe => &self.subscribe,
            Action::Publish => &self.publish,
        };
        patterns.iter().any(|pattern| pattern.covers(channel))
    }
}

/// A comma-separated list, as ANONYMOUS writes it: `subscribe *, publish chat/*`. The empty text grants nothing.
impl FromStr for Grants {
    type Err = InvalidGrant;

    fn from_str(text: &str) -> Result<Self, InvalidGrant> {
        let mut grants = Self::default();
        for grant in text.split(',').map(str::trim).filter(|_| !text.trim().is_empty()) {
            match grant.split_once(char::is_whitespace) {
                Some(("subscribe", pattern)) => grants.subscribe.push(pattern.trim().parse()?),
                Some(("publish", pattern)) => grants.publish.push(pattern.trim().parse()?),
                _ => return Err(InvalidGrant::Shape),
            }
        }
        Ok(grants)
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Somebody without a token.
    Anonymous,
}

impl Caller {
    /// Who asks, by the token in `Authorization: Bearer`, else the cookie `ssedge_token`, else the query
    /// parameter `access_token`.
    ///
    /// # Errors
    /// [`Problem::Unauthorized`] for any token: there is no key that one could have been made with.
    pub fn authenticate(headers: &HeaderMap, access_token: Option<&str>) -> Result<Self, Problem> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text(header::AUTHORIZATION)
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        let cookie = || {
            let pairs = text(header::COOKIE)?.split(';').filter_map(|pair| pair.trim().split_once('='));
            pairs.into_iter().find(|(name, _)| *name == TOKEN_COOKIE).map(|(_, token)| token)
        };
        // A cookie that was cleared is no token.
        match [bearer, cookie(), access_token].into_iter().flatten().find(|token| !token.is_empty()) {
            None => Ok(Self::Anonymous),
            Some(_) => Err(Problem::Unauthorized("this deployment takes none")),
        }
    }

    /// Whether the caller may do this to the channel.
    ///
    /// # Errors
    /// [`Problem::Forbidden`] where no grant covers it.
    pub fn authorize(&self, action: Action, channel: &str, settings: &Settings) -> Result<(), Problem> {
        match self {
            // Events and quotes speak for the service itself: whatever ANONYMOUS says, they want a token.
            Self::Anonymous if action == Action::Publish && !channel.starts_with("chat/") => {
                Err(Problem::Forbidden { action, channel: channel.to_owned() })
            }
            Self::Anonymous if settings.anonymous.allow(action, channel) => Ok(()),
            Self::Anonymous => Err(Problem::Forbidden { action, channel: channel.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, covers: &[&str], leaves: &[&str]) {
        let pattern: Pattern = pattern.parse().unwrap();
        for channel in covers {
            assert!(pattern.covers(channel), "{pattern:?} must cover {channel}");
        }
        for channel in leaves {
            assert!(!pattern.covers(channel), "{pattern:?} must not cover {channel}");
        }
    }

    #[test]
    fn a_pattern_covers_what_it_says_and_no_more() {
        check("*", &["events", "events/orders", "chat/lobby", "stock"], &[]);
        check("chat/*", &["chat/lobby", "chat/a"], &["chat", "chatx/a", "events", "Chat/lobby"]);
        check("chat/lobby", &["chat/lobby"], &["chat/lobby2", "chat/lobb", "chat/lobby/x"]);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "/*", "**", "chat*", "chat/*/x", "a b", "chat/%2e", "*/chat"] {
            assert_eq!(text.parse::<Pattern>(), Err(InvalidGrant::Pattern), "{text}");
        }
    }

    #[test]
    fn a_list_of_grants_is_read() {
        let grants: Grants = "subscribe *, publish chat/*".parse().unwrap();
        assert!(grants.allow(Action::Subscribe, "events/orders"));
        assert!(grants.allow(Action::Publish, "chat/lobby"));
        assert!(!grants.allow(Action::Publish, "events/orders"));
        assert_eq!("".parse(), Ok(Grants::default()));
        assert_eq!("publish".parse::<Grants>(), Err(InvalidGrant::Shape));
        assert_eq!("publish *,".parse::<Grants>(), Err(InvalidGrant::Shape));
        assert_eq!("write *".parse::<Grants>(), Err(InvalidGrant::Shape));
    }
}
