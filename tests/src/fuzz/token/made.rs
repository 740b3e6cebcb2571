//! A token as somebody may make it, and what has to come of it.

use arbitrary::{Arbitrary, Result, Unstructured};
use serde_json::{Map, Value, json};
use ssedge::limits::{TOKEN_LEEWAY, TOKEN_LIFE};
use ssedge::time::UnixMillis;

use super::{Keys, Verdict};
use crate::stream::NOW;
use crate::token::{FOREIGN, PREVIOUS, SECRET, part, signed, unsigned};

/// Seconds of unix time beyond which no promise is made: the year 3998.
const FAR: u64 = 64_000_000_000;

/// What a list may hold that covers a channel, or nearly.
const PATTERNS: [&str; 14] = [
    "*",
    "rooms/*",
    "rooms",
    "rooms/",
    "rooms/lobby",
    "rooms/a",
    "prices",
    "news",
    "news/*",
    "news/orders",
    "/*",
    "Rooms/*",
    "rooms/lob/*",
    "pric/*",
];

#[derive(Arbitrary, Debug)]
pub struct Made<'a> {
    algorithm: Algorithm<'a>,
    critical: bool,
    exp: Option<Time<'a>>,
    nbf: Option<Time<'a>>,
    sub: Option<Claim<'a>>,
    pub subscribe: Option<Claim<'a>>,
    pub publish: Option<Claim<'a>>,
    /// One more claim, which may be one of the others.
    more: Option<(&'a str, Claim<'a>)>,
    signed: Signed,
    harm: Option<Harm<'a>>,
}

#[derive(Arbitrary, Debug)]
enum Algorithm<'a> {
    Hs256,
    Named(&'a str),
    Absent,
}

#[derive(Arbitrary, Debug)]
enum Time<'a> {
    /// Seconds from [`NOW`].
    In(i8),
    At(i64),
    Fraction(f64),
    Other(Claim<'a>),
}

#[derive(Arbitrary, Debug)]
pub enum Claim<'a> {
    Text(&'a str),
    Texts(#[arbitrary(with = patterns)] Vec<&'a str>),
    Number(i64),
    Null,
    Object,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Signed {
    Current,
    Previous,
    Other,
    Not,
}

#[derive(Arbitrary, Debug)]
enum Harm<'a> {
    /// A bit of a byte is another.
    Flip {
        at: u16,
        bit: u8,
    },
    Cut(u16),
    Append(&'a str),
    /// The claims of another token with the signature of this one.
    Swap(Box<Made<'a>>),
}

impl Made<'_> {
    /// As it travels.
    pub fn text(&self) -> String {
        let (header, claims) = (self.header().to_string(), self.claims());
        self.harmed(match self.signed {
            Signed::Current => signed(SECRET, &header, claims),
            Signed::Previous => signed(PREVIOUS, &header, claims),
            Signed::Other => signed(FOREIGN, &header, claims),
            Signed::Not => format!("{}.", unsigned(&header, claims)),
        })
    }

    fn harmed(&self, token: String) -> String {
        match &self.harm {
            None => token,
            Some(Harm::Flip { at, bit }) => {
                let mut bytes = token.into_bytes();
                let at = usize::from(*at) % bytes.len();
                bytes[at] ^= 1 << (bit % 7);
                bytes.into_iter().map(char::from).filter(super::travels).collect()
            }
            Some(Harm::Cut(at)) => token[..usize::from(*at) % token.len()].to_owned(),
            Some(Harm::Append(text)) => {
                let more: String = text.chars().filter(super::travels).collect();
                format!("{token}{}", if more.is_empty() { "." } else { &more })
            }
            Some(Harm::Swap(other)) => {
                let parts: Vec<_> = token.split('.').collect();
                let claims = part(other.claims());
                format!("{}.{}.{}", parts[0], if claims == parts[1] { "e30" } else { &claims }, parts[2])
            }
        }
    }

    fn header(&self) -> Value {
        let mut header = Map::new();
        match self.algorithm {
            Algorithm::Hs256 => drop(header.insert("alg".into(), "HS256".into())),
            Algorithm::Named(name) => drop(header.insert("alg".into(), name.into())),
            Algorithm::Absent => {}
        }
        if self.critical {
            header.insert("crit".into(), json!(["exp"]));
        }
        header.into()
    }

    /// As text, since a claim may come twice.
    fn claims(&self) -> String {
        let times = [("exp", &self.exp), ("nbf", &self.nbf)];
        let times = times.into_iter().filter_map(|(name, time)| Some((name, time.as_ref()?.json())));
        let others = [("sub", &self.sub), ("subscribe", &self.subscribe), ("publish", &self.publish)];
        let others = others.into_iter().filter_map(|(name, claim)| Some((name, claim.as_ref()?.json())));
        let more = self.more.iter().map(|(name, claim)| (*name, claim.json()));
        let claims = times.chain(others).chain(more);
        let claims: Vec<_> = claims.map(|(name, value)| format!("{}:{value}", json!(name))).collect();
        format!("{{{}}}", claims.join(","))
    }

    /// What has to come of it at `now` where there are these keys.
    pub fn verdict(&self, keys: Keys, now: UnixMillis) -> Verdict {
        let is_hs256 = matches!(self.algorithm, Algorithm::Hs256 | Algorithm::Named("HS256"));
        if !is_hs256 || self.critical || !keys.hold(self.signed) || self.harm.is_some() {
            return Verdict::Refuse;
        }
        match self.more.as_ref().and_then(|(name, _)| self.known(name)) {
            // Two readers could each understand another one.
            Some(true) => return Verdict::Refuse,
            Some(false) => return Verdict::Either,
            None => {}
        }
        let (now, leeway) = (now.0 as f64 / 1e3, TOKEN_LEEWAY.as_secs_f64());
        let life = TOKEN_LIFE.as_secs_f64();
        let lasts = self.expires().is_some_and(|exp| now < exp + leeway && exp <= now + life);
        let has_begun = match &self.nbf {
            None | Some(Time::Other(Claim::Null)) => true,
            Some(nbf) => nbf.seconds().is_some_and(|nbf| nbf <= now + leeway),
        };
        let names_one = matches!(self.sub, None | Some(Claim::Text(_) | Claim::Null));
        let lists = [&self.subscribe, &self.publish]
            .into_iter()
            .all(|claim| matches!(claim, None | Some(Claim::Texts(_) | Claim::Null)));
        match lasts && has_begun && names_one && lists {
            false => Verdict::Refuse,
            true if self.is_plain() => Verdict::Take,
            true => Verdict::Either,
        }
    }

    /// Whether the claim of this name is there, if it is one that means something.
    fn known(&self, name: &str) -> Option<bool> {
        match name {
            "exp" => Some(self.exp.is_some()),
            "nbf" => Some(self.nbf.is_some()),
            "sub" => Some(self.sub.is_some()),
            "subscribe" => Some(self.subscribe.is_some()),
            "publish" => Some(self.publish.is_some()),
            _ => None,
        }
    }

    /// Whether it says nothing that one may understand and another refuse.
    pub fn is_plain(&self) -> bool {
        let whole = |time: &Option<Time>| match time {
            None | Some(Time::In(_)) => true,
            Some(Time::At(at)) => at.unsigned_abs() < FAR,
            Some(_) => false,
        };
        let nulls = [&self.sub, &self.subscribe, &self.publish]
            .into_iter()
            .any(|claim| matches!(claim, Some(Claim::Null)));
        whole(&self.exp) && whole(&self.nbf) && !nulls && self.more.is_none()
    }

    /// In unix seconds.
    pub fn expires(&self) -> Option<f64> {
        self.exp.as_ref().and_then(Time::seconds)
    }

    pub fn sub(&self) -> Option<&str> {
        match self.sub {
            Some(Claim::Text(text)) => Some(text),
            _ => None,
        }
    }
}

impl Time<'_> {
    fn seconds(&self) -> Option<f64> {
        match self {
            Self::In(seconds) => Some((NOW.0 / 1_000) as f64 + f64::from(*seconds)),
            Self::At(seconds) | Self::Other(Claim::Number(seconds)) => Some(*seconds as f64),
            Self::Fraction(seconds) => Some(*seconds).filter(|seconds| seconds.is_finite()),
            Self::Other(_) => None,
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::In(seconds) => json!(NOW.0 as i64 / 1_000 + i64::from(*seconds)),
            Self::At(seconds) => json!(seconds),
            Self::Fraction(seconds) => json!(seconds),
            Self::Other(claim) => claim.json(),
        }
    }
}

impl Claim<'_> {
    fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Texts(texts) => json!(texts),
            Self::Number(number) => json!(number),
            Self::Null => Value::Null,
            Self::Object => json!({}),
        }
    }

    /// Whether it is a list with a pattern of the channel.
    pub fn covers(&self, channel: &str) -> bool {
        let Self::Texts(patterns) = self else { return false };
        patterns.iter().any(|pattern| match pattern.strip_suffix("/*") {
            Some(prefix) => channel.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/')),
            None => *pattern == "*" || *pattern == channel,
        })
    }
}

fn patterns<'a>(u: &mut Unstructured<'a>) -> Result<Vec<&'a str>> {
    let count = u.int_in_range(0..=4)?;
    (0..count).map(|_| if u.arbitrary()? { u.choose(&PATTERNS).copied() } else { u.arbitrary() }).collect()
}
