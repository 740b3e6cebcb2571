//! Grants: which channels may be read, and which written to.

use std::fmt;
use std::str::FromStr;

/// What a grant allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To read a channel.
    Subscribe,
    /// To write to it.
    Publish,
    /// To end it.
    Close,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
            Self::Close => "close",
        })
    }
}

/// What of a channel is asked for. Grants name the entries of a key as if they were a channel below it: `events/orders`.
/// Whoever may use the channel may use all keys of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// The channel, whatever keys it has.
    Whole,
    /// Its entries of this key.
    Key(&'a str),
    /// Its entries of a key that is not known yet: granted if any key is.
    SomeKey,
    /// Its entries of every key there may be.
    EveryKey,
}

/// Which channels a grant is for: one (`chat/lobby`), all below a prefix (`chat/*`), or all (`*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

/// The text is not a list of grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGrant {
    /// A grant is a verb and a pattern.
    #[error("a grant is `subscribe`, `publish` or `close`, a space and a pattern, as in `publish chat/*`")]
    Shape,
    /// The pattern cannot be read.
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

    /// Whether it covers what is asked for of the channel.
    fn covers_scope(&self, channel: &str, scope: Scope<'_>) -> bool {
        if self.covers(channel) {
            return true;
        }
        let below = self.0.strip_prefix(channel).and_then(|rest| rest.strip_prefix('/'));
        match scope {
            Scope::Whole => false,
            Scope::Key(key) => below.is_some_and(|below| below == "*" || below == key),
            Scope::SomeKey => below.is_some(),
            Scope::EveryKey => below == Some("*"),
        }
    }
}

impl FromStr for Pattern {
    type Err = InvalidGrant;

    fn from_str(text: &str) -> Result<Self, InvalidGrant> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/_.~-".contains(&b);
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
    close: Vec<Pattern>,
}

impl Grants {
    /// The grants of a token, from the patterns that it names. A text that is not a pattern grants nothing.
    pub(super) fn of_token(subscribe: &[String], publish: &[String], close: &[String]) -> Self {
        let patterns = |list: &[String]| list.iter().filter_map(|pattern| pattern.parse().ok()).collect();
        Self { subscribe: patterns(subscribe), publish: patterns(publish), close: patterns(close) }
    }

    fn patterns(&self, action: Action) -> &[Pattern] {
        match action {
            Action::Subscribe => &self.subscribe,
            Action::Publish => &self.publish,
            Action::Close => &self.close,
        }
    }

    /// Whether one of the grants covers what is asked for of the channel.
    #[must_use]
    pub fn allow(&self, action: Action, channel: &str, scope: Scope<'_>) -> bool {
        self.patterns(action).iter().any(|pattern| pattern.covers_scope(channel, scope))
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
                Some(("close", pattern)) => grants.close.push(pattern.trim().parse()?),
                _ => return Err(InvalidGrant::Shape),
            }
        }
        Ok(grants)
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
        assert!(grants.allow(Action::Subscribe, "events", Scope::Key("orders")));
        assert!(grants.allow(Action::Publish, "chat/lobby", Scope::Whole));
        assert!(!grants.allow(Action::Publish, "events", Scope::SomeKey));
        assert_eq!("".parse(), Ok(Grants::default()));
        assert_eq!("publish".parse::<Grants>(), Err(InvalidGrant::Shape));
        assert_eq!("publish *,".parse::<Grants>(), Err(InvalidGrant::Shape));
        assert_eq!("write *".parse::<Grants>(), Err(InvalidGrant::Shape));
    }

    #[test]
    fn keys_are_granted_one_by_one_or_all_together() {
        let check = |grants: &str, one: bool, some: bool, all: bool| {
            let grants: Grants = grants.parse().unwrap();
            let got = [Scope::Key("orders"), Scope::SomeKey, Scope::EveryKey]
                .map(|scope| grants.allow(Action::Publish, "events", scope));
            assert_eq!(got, [one, some, all], "{grants:?}");
        };
        for all in ["publish *", "publish events", "publish events/*"] {
            check(all, true, true, true);
        }
        check("publish events/orders", true, true, false);
        check("publish events/order", false, true, false);
        for none in ["publish chat/*", "subscribe *", "publish eventsx/*", "publish Events/orders", ""] {
            check(none, false, false, false);
        }
    }
}
