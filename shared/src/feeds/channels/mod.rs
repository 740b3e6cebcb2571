//! The feed of channels of one's own: any name, any data, closed when done.
//!
//! What is posted is what readers get, without an envelope. A channel is one log: of a user, a document, a device, or one
//! answer of a language model, which is closed at its end.

mod body;

use std::ops::RangeInclusive;
use std::time::Duration;

use http::{HeaderMap, Method, header};

use super::{Drafts, Endpoint, Feed, Pieces, Piecewise, Posted, Query, Reading, Rules, Target};
use crate::limits::{CHANNEL_ENTRIES, POST_BURST, POST_BYTES, POST_RATE};
use crate::log::{ChannelName, EndReason, Filter, Retention};
use crate::problem::Problem;
use crate::session::{Dialect, WhenSlow};
use crate::settings::{BadSetting, Settings, Variables};
use crate::sse::EventName;
use crate::store::{OnlyIf, Terms};
use body::Body;

/// Characters of a name.
pub const NAME_CHARS: usize = 200;
/// Segments of a name.
pub const SEGMENTS: usize = 8;
/// Characters of a segment.
pub const SEGMENT_CHARS: usize = 64;
/// Characters of a key.
pub const KEY_CHARS: usize = 64;
/// Keys that one stream may choose.
pub const KEYS: usize = 16;
/// Entries that a reader may ask for on its first connect, if not all.
pub const HISTORY: RangeInclusive<u32> = 0..=1_000;
/// Seconds of a lease: longer than a writer takes to try again, and no longer than a person waits.
pub const LEASE_SECS: RangeInclusive<u32> = 5..=3_600;
/// The shortest time in seconds for which a channel may be kept: a reader that was cut off comes back sooner.
pub const KEEP_SECS: u32 = 60;

const RATE_VARIABLE: &str = "CHANNEL_RATE";
const BURST_VARIABLE: &str = "CHANNEL_BURST";
const ENTRIES_VARIABLE: &str = "CHANNEL_ENTRIES";

/// The feed, as its settings are.
#[derive(Clone, Copy, Debug)]
pub struct Channels {
    rate: u64,
    burst: u64,
    entries: u64,
}

/// The feed with the settings CHANNEL_RATE, CHANNEL_BURST and CHANNEL_ENTRIES.
///
/// # Errors
/// [`BadSetting`] for one that is against its rule.
pub fn feed(variables: &Variables) -> Result<Box<dyn Feed>, BadSetting> {
    Ok(Box::new(Channels {
        rate: variables.number(RATE_VARIABLE, POST_RATE, 50)?,
        burst: variables.number(BURST_VARIABLE, POST_BURST, 200)?,
        entries: variables.number(ENTRIES_VARIABLE, CHANNEL_ENTRIES, 10_000)?,
    }))
}

impl Feed for Channels {
    fn name(&self) -> &'static str {
        "channels"
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &[
            (Method::GET, "/api/channels/{name}", "stream of a channel of your own"),
            (Method::POST, "/api/channels/{name}", "append to it, or close it"),
            (Method::DELETE, "/api/channels/{name}", "delete all of it"),
        ]
    }

    fn variables(&self) -> &'static [&'static str] {
        &[RATE_VARIABLE, BURST_VARIABLE, ENTRIES_VARIABLE]
    }

    fn anonymous(&self) -> &'static str {
        "subscribe channels/public/*"
    }

    fn target(&self, rest: &[&str]) -> Result<Target, Problem> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.~-".contains(&b);
        let is_segment = |segment: &&str| {
            (1..=SEGMENT_CHARS).contains(&segment.len())
                && segment.bytes().all(plain)
                && !matches!(*segment, "." | "..")
        };
        let name = rest.join("/");
        let fits = (1..=SEGMENTS).contains(&rest.len()) && name.len() <= NAME_CHARS;
        if !(fits && rest.iter().all(is_segment)) {
            let rule = format!(
                "must be 1 to {SEGMENTS} segments with / between them, each of them 1 to {SEGMENT_CHARS} of A-Z, a-z, \
                 0-9, _, ., ~ and - and not . or .., at most {NAME_CHARS} characters in all"
            );
            return Err(Problem::Invalid { field: "name", rule });
        }
        ChannelName::new(&format!("{}/{name}", self.name()))
            .map(Target::Channel)
            .map_err(Problem::invalid("name"))
    }

    fn lists(&self) -> &'static [&'static str] {
        &["keys"]
    }

    fn reading(&self, query: &Query) -> Result<Reading, Problem> {
        let keys = query.list("keys", KEYS, key)?;
        let history = match query.get("history") {
            Some("all") => u32::MAX,
            _ => query.number("history", &HISTORY, 0).map_err(or_all)?,
        };
        let dialect = query.word("events", &[("named", Dialect::Named), ("bare", Dialect::Bare)])?;
        let newest = query.flag("newest")?;
        let filter = keys.map_or(Filter::ALL, Filter::keys);
        Ok(Reading {
            dialect,
            only_open: query.flag("active")?,
            newest,
            when_slow: if newest { WhenSlow::Newest } else { WhenSlow::End },
            ..Reading::entries(filter, if newest { u32::MAX } else { history })
        })
    }

    fn has_ends(&self) -> bool {
        true
    }

    fn body_bytes(&self) -> usize {
        POST_BYTES
    }

    fn media_types(&self) -> &'static [&'static str] {
        body::MEDIA_TYPES
    }

    fn rules(&self, settings: &Settings) -> Rules {
        Rules {
            retention: Retention { max: self.entries, ..settings.retention },
            rate: self.rate,
            burst: self.burst,
        }
    }

    fn post(&self, _: &ChannelName, posted: &Posted<'_>) -> Result<Drafts, Problem> {
        let terms = terms(posted)?;
        let mut body = Body::new(posted)?;
        body.push(posted.body)?;
        let drafts = body.all()?;
        let says_nothing = drafts.is_empty() && terms.close.is_none() && terms.lease.is_none();
        if says_nothing {
            return Err(Problem::Malformed(
                "the body: must hold an entry, unless the query has close=1 or a lease".into(),
            ));
        }
        Ok(Drafts { drafts, terms })
    }

    fn pieces(&self, posted: &Posted<'_>) -> Result<Option<Piecewise>, Problem> {
        let body = Body::new(posted)?;
        Ok(if body.has_pieces() { Some((Box::new(body), terms(posted)?)) } else { None })
    }

    fn list(&self) -> &'static str {
        "entries"
    }
}

/// The rule of a number that may be the word, too.
fn or_all(problem: Problem) -> Problem {
    match problem {
        Problem::Invalid { field, rule } => Problem::Invalid { field, rule: format!("{rule}, or all") },
        other => other,
    }
}

/// The key of an entry: `[A-Za-z0-9_.-]{1,64}`.
fn key(name: &str) -> Result<String, String> {
    let allowed = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    (allowed && (1..=KEY_CHARS).contains(&name.len()))
        .then(|| name.to_owned())
        .ok_or_else(|| format!("must be 1 to {KEY_CHARS} of A-Z, a-z, 0-9, _, . and -"))
}

/// The terms of a request, from its query and its headers.
fn terms(posted: &Posted<'_>) -> Result<Terms, Problem> {
    let Posted { query, headers, keep_most, .. } = posted;
    let reason = query.get("reason").map(EndReason::new).transpose().map_err(Problem::invalid("reason"))?;
    let seconds = |name, range: &RangeInclusive<u32>| {
        let given = query.get(name).map(|_| query.number(name, range, 0)).transpose()?;
        Ok::<_, Problem>(given.map(|secs| Duration::from_secs(secs.into())))
    };
    let most = u32::try_from(keep_most.as_secs()).unwrap_or(u32::MAX);
    Ok(Terms {
        only_if: only_if(headers)?,
        close: query.flag("close")?.then(|| reason.unwrap_or(EndReason::DONE)),
        lease: seconds("lease", &LEASE_SECS)?,
        keep: seconds("keep", &(KEEP_SECS.min(most)..=most))?,
    })
}

/// The precondition, by RFC 9110 § 13.1. An empty header is none: workerd does not pass it on.
fn only_if(headers: &HeaderMap) -> Result<Option<OnlyIf>, Problem> {
    let text = |name| {
        let value =
            headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
        value.filter(|text| !text.is_empty())
    };
    let last = |tag: String| {
        let id = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).and_then(|id| id.parse().ok());
        id.ok_or_else(|| Problem::Invalid {
            field: "If-Match",
            rule: "must be the last id of the channel in quotes, as ETag gives it".into(),
        })
    };
    let last = text(header::IF_MATCH).map(last).transpose()?;
    match text(header::IF_NONE_MATCH).as_deref() {
        None => Ok(last.map(OnlyIf::Last)),
        Some("*") if last.is_none() => Ok(Some(OnlyIf::New)),
        Some(_) => Err(Problem::Invalid {
            field: "If-None-Match",
            rule: "must be *, and not come together with If-Match".into(),
        }),
    }
}

/// The name that a request gives to its entries.
fn event(name: &str) -> Result<EventName, Problem> {
    EventName::published(name).map_err(Problem::invalid("event"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::EntryId;

    fn channels() -> Box<dyn Feed> {
        feed(&Variables::new(&|_| None)).unwrap()
    }

    #[test]
    fn a_name_is_segments_of_plain_characters() {
        let is_name = |name: &str| channels().target(&name.split('/').collect::<Vec<_>>()).is_ok();
        let long = "x".repeat(SEGMENT_CHARS);
        let longest = [&*long, &long, &long, "xxxxx"].join("/");
        assert_eq!(longest.len(), NAME_CHARS);
        for name in ["a", "run/42", "A.b_~-9", "...", "a/b/c/d/e/f/g/h", &long, &longest] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "a/", "a//b", ".", "a/..", "a b", "é", "a%", "a/b/c/d/e/f/g/h/i"] {
            assert!(!is_name(name), "{name}");
        }
        assert!(!is_name(&format!("{long}x")) && !is_name(&format!("{longest}x")));
    }

    fn read(query: &str, headers: &[(&'static str, &str)]) -> Result<Terms, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let (query, keep_most) = (Query::new(Some(query)), Duration::from_secs(3_600));
        let (media_type, body) = (None, &[][..]);
        let posted = Posted { media_type, query: &query, headers: &map, body, sub: None, keep_most };
        terms(&posted).map_err(|problem| problem.to_string())
    }

    #[test]
    fn terms_are_read_from_the_query_and_the_headers() {
        let secs = |secs| Some(Duration::from_secs(secs));
        assert_eq!(read("", &[]), Ok(Terms::default()));
        let all = Terms { only_if: None, close: Some(EndReason::DONE), lease: secs(5), keep: secs(3_600) };
        assert_eq!(read("close=1&lease=5&keep=3600", &[]), Ok(all));
        assert_eq!(read("close=1&reason=stop", &[]).unwrap().close, EndReason::new("stop").ok());
        assert_eq!(read("reason=stop", &[]).unwrap().close, None);
        for query in
            ["close=2", "close=1&reason=Stop", "lease=4", "lease=3601", "lease=", "keep=59", "keep=3601"]
        {
            assert!(read(query, &[]).is_err(), "{query}");
        }
        let last = Some(OnlyIf::Last(EntryId::new(45).unwrap()));
        assert_eq!(read("", &[("if-match", "\"45\"")]).unwrap().only_if, last);
        assert_eq!(read("", &[("if-none-match", "*")]).unwrap().only_if, Some(OnlyIf::New));
        for headers in [
            &[("if-match", "45")][..],
            &[("if-match", "*")],
            &[("if-match", "W/\"45\"")],
            &[("if-none-match", "\"45\"")],
            &[("if-match", "\"45\""), ("if-none-match", "*")],
        ] {
            assert!(read("", headers).is_err(), "{headers:?}");
        }
    }

    #[test]
    fn a_post_says_something() {
        let post = |query: &str, body: &[u8]| {
            let (query, headers) = (Query::new(Some(query)), HeaderMap::new());
            let (media_type, keep_most) = (Some("text/plain"), Duration::from_secs(3_600));
            let posted = Posted { media_type, query: &query, headers: &headers, body, sub: None, keep_most };
            channels().post(&ChannelName::new("channels/a").unwrap(), &posted).is_ok()
        };
        assert!(post("", b"x") && post("close=1", b"") && post("lease=5", b""));
        assert!(!post("", b"") && !post("keep=60", b""));
    }
}
