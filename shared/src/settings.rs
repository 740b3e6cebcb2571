//! What a deployment chooses, read from the environment by name. What only one host has, and what only one feed has, is
//! read by that host and that feed, by the same [`Variables`] and so with the same rules and sentences.

mod choice;
mod table;
mod variables;

use std::time::Duration;

use crate::access::{Grants, Rate, Secret};
use crate::limits;
use crate::log::Retention;
use crate::session::StreamConfig;
pub use choice::{Host, LogLevel, Origins};
pub use table::TableSettings;
pub use variables::{BadSetting, Variables};

/// What a deployment chooses on either host, for all feeds. Each field is named after its variable, [`Settings::NAMES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The host, which is not a choice.
    pub host: Host,
    /// ANONYMOUS: what a caller without a token may do.
    pub anonymous: Grants,
    /// AUTH_SECRET.
    pub auth_secret: Option<Secret>,
    /// AUTH_SECRET_PREVIOUS: the key before, whose tokens are good until they expire.
    pub auth_secret_previous: Option<Secret>,
    /// ALLOWED_ORIGINS.
    pub allowed_origins: Origins,
    /// HEARTBEAT_SECS: the longest silence of a stream.
    pub heartbeat: Duration,
    /// RETRY_MS: the middle of what clients are told.
    pub retry: Duration,
    /// STREAM_SECS: how long a stream lives; `None` is for ever.
    pub stream_life: Option<Duration>,
    /// HISTORY_MAX and HISTORY_SECS.
    pub retention: Retention,
    /// POST_RATE, per second, sender and channel.
    pub post_rate: u64,
    /// POST_BURST.
    pub post_burst: u64,
    /// STREAMS_PER_CHANNEL: open streams; `None` if there is no bound.
    pub streams_per_channel: Option<u64>,
    /// STREAMS_PER_SENDER: the same of one sender.
    pub streams_per_sender: Option<u64>,
    /// LOG_LEVEL.
    pub log_level: LogLevel,
}

impl Settings {
    /// How fast a sender may post to a channel.
    #[must_use]
    pub const fn posts(&self) -> Rate {
        Rate::per_second(self.post_rate, self.post_burst)
    }

    /// How a stream of this deployment lives: that of a reader without a token, on a host without a deadline.
    #[must_use]
    pub const fn stream(&self) -> StreamConfig {
        StreamConfig {
            heartbeat: self.heartbeat,
            retry: self.retry,
            life: self.stream_life,
            deadline: None,
            expires: None,
        }
    }

    /// The keys that a token may be signed with.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        // Without a key of now there is none of before.
        self.auth_secret.iter().flat_map(|key| [Some(key), self.auth_secret_previous.as_ref()]).flatten()
    }

    /// Every variable that is read here.
    pub const NAMES: [&'static str; 14] = [
        "ANONYMOUS",
        "AUTH_SECRET",
        "AUTH_SECRET_PREVIOUS",
        "ALLOWED_ORIGINS",
        "HEARTBEAT_SECS",
        "RETRY_MS",
        "STREAM_SECS",
        "HISTORY_MAX",
        "HISTORY_SECS",
        "POST_RATE",
        "POST_BURST",
        "STREAMS_PER_CHANNEL",
        "STREAMS_PER_SENDER",
        "LOG_LEVEL",
    ];

    /// Reads the settings. `anonymous` is what ANONYMOUS is when it is not set.
    ///
    /// # Errors
    /// [`BadSetting`] for the first value that is against its rule.
    pub fn read(host: Host, read: &Variables, anonymous: &str) -> Result<Self, BadSetting> {
        // The one variable whose empty value says something: nobody may do anything without a token.
        let anonymous = read.raw("ANONYMOUS").unwrap_or_else(|| anonymous.to_owned());
        // On Lambda a stream is an invocation, and their number is bounded as a whole.
        let (stream_secs, per_channel) = match host {
            Host::Worker => (0, *limits::STREAMS_PER_CHANNEL.end()),
            Host::Lambda => (60, 0),
        };
        let bound = |n| (n > 0).then_some(n);
        Ok(Self {
            host,
            anonymous: anonymous
                .parse()
                .map_err(|e| BadSetting::new("ANONYMOUS", format!("is a list of grants: {e}")))?,
            auth_secret: secret("AUTH_SECRET", read.text("AUTH_SECRET"))?,
            auth_secret_previous: secret("AUTH_SECRET_PREVIOUS", read.text("AUTH_SECRET_PREVIOUS"))?,
            allowed_origins: origins(read.text("ALLOWED_ORIGINS"))?,
            heartbeat: Duration::from_secs(read.number("HEARTBEAT_SECS", limits::HEARTBEAT_SECS, 15)?),
            retry: Duration::from_millis(read.number("RETRY_MS", limits::RETRY_MS, 2_000)?),
            stream_life: match read.number("STREAM_SECS", limits::STREAM_SECS, stream_secs)? {
                0 => None,
                secs => Some(Duration::from_secs(secs)),
            },
            retention: Retention {
                max: read.number("HISTORY_MAX", limits::HISTORY_MAX, 1_000)?,
                age: Duration::from_secs(read.number("HISTORY_SECS", limits::HISTORY_SECS, 7 * 86_400)?),
            },
            post_rate: read.number("POST_RATE", limits::POST_RATE, 5)?,
            post_burst: read.number("POST_BURST", limits::POST_BURST, 20)?,
            streams_per_channel: bound(read.number(
                "STREAMS_PER_CHANNEL",
                limits::STREAMS_PER_CHANNEL,
                per_channel,
            )?)
            .or(bound(per_channel)),
            streams_per_sender: bound(read.number(
                "STREAMS_PER_SENDER",
                limits::STREAMS_PER_SENDER,
                2_000,
            )?),
            log_level: read.choice(
                "LOG_LEVEL",
                &[
                    ("warn", LogLevel::Warn),
                    ("debug", LogLevel::Debug),
                    ("info", LogLevel::Info),
                    ("error", LogLevel::Error),
                    ("off", LogLevel::Off),
                ],
            )?,
        })
    }
}

fn secret(name: &'static str, value: Option<String>) -> Result<Option<Secret>, BadSetting> {
    value.map(Secret::new).transpose().map_err(|e| BadSetting::new(name, e.to_string()))
}

fn origins(list: Option<String>) -> Result<Origins, BadSetting> {
    let Some(list) = list.filter(|list| list != "*") else { return Ok(Origins::Any) };
    let origins: Vec<_> = list.split(',').map(|origin| origin.trim().to_owned()).collect();
    let well_formed = |origin: &String| {
        let uri = origin.parse::<http::Uri>().ok();
        // `Origin` never has a path, and a `Uri` with only an authority says `/`.
        uri.is_some_and(|uri| uri.scheme().is_some() && uri.path() == "/" && uri.query().is_none())
            && !origin.ends_with('/')
            && !origin.contains(|c: char| c.is_ascii_uppercase())
    };
    if origins.iter().all(well_formed) {
        Ok(Origins::Listed(origins))
    } else {
        Err(BadSetting::new(
            "ALLOWED_ORIGINS",
            "must be * or a comma-separated list of origins such as https://example.com",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(vars: &[(&str, &str)]) -> Result<Settings, BadSetting> {
        read(Host::Worker, vars)
    }

    fn read(host: Host, vars: &[(&str, &str)]) -> Result<Settings, BadSetting> {
        let lookup = |name: &str| {
            assert!(Settings::NAMES.contains(&name), "{name} is missing in NAMES");
            vars.iter().find(|(var, _)| *var == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::read(host, &Variables::new(&lookup), "subscribe *")
    }

    #[track_caller]
    fn check(name: &str, value: &str, rule: &str) {
        assert_eq!(
            parse(&[(name, value)]).unwrap_err().to_string(),
            format!("the setting {name} is bad: it {rule}")
        );
    }

    #[test]
    fn a_channel_has_no_more_streams_than_its_platform_takes() {
        for (host, most) in [(Host::Worker, Some(32_000)), (Host::Lambda, None)] {
            for (value, expected) in [("0", most), ("7", Some(7))] {
                let settings = read(host, &[("STREAMS_PER_CHANNEL", value)]).unwrap();
                assert_eq!(settings.streams_per_channel, expected);
            }
        }
    }

    #[test]
    fn a_bad_value_is_named_with_its_rule() {
        check("HEARTBEAT_SECS", "0", "must be a whole number from 1 to 60");
        check("HEARTBEAT_SECS", "abc", "must be a whole number from 1 to 60");
        check("STREAM_SECS", "-1", "must be a whole number from 0 to 86400");
        check("AUTH_SECRET", "short", "must be at least 32 bytes");
        check("AUTH_SECRET_PREVIOUS", "short", "must be at least 32 bytes");
        check("LOG_LEVEL", "loud", "must be one of warn, debug, info, error, off");
        check(
            "ANONYMOUS",
            "all",
            "is a list of grants: a grant is `subscribe`, `publish` or `close`, a space and a pattern, as in `publish chat/*`",
        );
        check(
            "ALLOWED_ORIGINS",
            "https://a.example/,b",
            "must be * or a comma-separated list of origins such as https://example.com",
        );
    }

    #[test]
    fn nothing_set_means_the_defaults() {
        let settings = parse(&[]).unwrap();
        assert_eq!(settings, parse(&[("RETRY_MS", ""), ("STREAM_SECS", " ")]).unwrap());
        assert_eq!((settings.heartbeat.as_secs(), settings.retry.as_millis()), (15, 2_000));
        assert_eq!((settings.stream_life, settings.retention.max), (None, 1_000));
        assert_eq!(Ok(settings.anonymous), "subscribe *".parse());
        let lambda = read(Host::Lambda, &[]).unwrap();
        assert_eq!(lambda.stream_life, Some(Duration::from_secs(60)));
    }

    #[test]
    fn an_empty_anonymous_locks_everything() {
        assert_eq!(parse(&[("ANONYMOUS", "")]).unwrap().anonymous, Grants::default());
    }

    #[test]
    fn lists_are_read() {
        let settings = parse(&[("ALLOWED_ORIGINS", "https://a.example, http://localhost:3000")]).unwrap();
        let origins = ["https://a.example", "http://localhost:3000"].map(str::to_owned);
        assert_eq!(settings.allowed_origins, Origins::Listed(origins.into()));
    }

    #[test]
    fn a_secret_is_not_shown() {
        let key = "k".repeat(32);
        assert!(!format!("{:?}", parse(&[("AUTH_SECRET", &key)]).unwrap()).contains(&key));
    }
}
