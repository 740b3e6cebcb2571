//! Grants: which channels may be read, and which written to.

use std::fmt;
use std::str::FromStr;

/// The channel of all topics.
const EVENTS: &str = "events";

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

    fn covers_topics(&self) -> bool {
        matches!(&*self.0, "*" | EVENTS) || self.0.starts_with("events/")
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
    /// The grants of a token, from the patterns that it names. What is no pattern grants nothing.
    pub(super) fn of_token(subscribe: &[String], publish: &[String]) -> Self {
        let patterns = |list: &[String]| list.iter().filter_map(|pattern| pattern.parse().ok()).collect();
        Self { subscribe: patterns(subscribe), publish: patterns(publish) }
    }

    fn patterns(&self, action: Action) -> &[Pattern] {
        match action {
            Action::Subscribe => &self.subscribe,
            Action::Publish => &self.publish,
        }
    }

    /// Whether one of the grants covers the channel.
    #[must_use]
    pub fn allow(&self, action: Action, channel: &str) -> bool {
        self.patterns(action).iter().any(|pattern| pattern.covers(channel))
    }

    /// Whether one of the grants covers the topic: by itself, or with the whole of `events`.
    #[must_use]
    pub fn allow_topic(&self, action: Action, topic: &str) -> bool {
        self.allow(action, EVENTS) || self.allow(action, &topic_channel(topic))
    }

    /// Whether one of the grants covers any topic at all.
    #[must_use]
    pub fn allow_some_topic(&self, action: Action) -> bool {
        self.patterns(action).iter().any(Pattern::covers_topics)
    }

    /// Whether the grants cover every topic.
    #[must_use]
    pub fn allow_all_topics(&self, action: Action) -> bool {
        self.patterns(action).iter().any(|pattern| matches!(&*pattern.0, "*" | EVENTS | "events/*"))
    }
}

/// What a topic is called in a grant.
pub(super) fn topic_channel(topic: &str) -> String {
    format!("{EVENTS}/{topic}")
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

    #[test]
    fn topics_are_granted_one_by_one_or_all_together() {
        let check = |grants: &str, one: bool, some: bool, all: bool| {
            let grants: Grants = grants.parse().unwrap();
            let publish = Action::Publish;
            let got = (
                grants.allow_topic(publish, "orders"),
                grants.allow_some_topic(publish),
                grants.allow_all_topics(publish),
            );
            assert_eq!(got, (one, some, all), "{grants:?}");
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
