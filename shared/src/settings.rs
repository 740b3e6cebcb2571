//! What a deployment chooses, read from the environment by name.

mod choice;

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::access::{Grants, Rate};
use crate::limits;
use crate::log::Retention;
use crate::stock::{DEFAULT_SYMBOLS, Symbol};
pub use choice::{Host, LogLevel, Origins, Secret, StockSource};

/// Everything that a deployment chooses. Each field is named after its variable, [`Settings::NAMES`].
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
    /// STREAMS_PER_CHANNEL: open streams; `None` is no bound.
    pub streams_per_channel: Option<u64>,
    /// STREAMS_PER_SENDER: the same of one sender.
    pub streams_per_sender: Option<u64>,
    /// STOCK_SOURCE.
    pub stock_source: StockSource,
    /// STOCK_SYMBOLS, without repeats.
    pub stock_symbols: Vec<Symbol>,
    /// LOG_LEVEL.
    pub log_level: LogLevel,
    /// TABLE_NAME, on Lambda; elsewhere empty.
    pub table_name: String,
    /// AWS_ENDPOINT_URL_DYNAMODB: where the table is, if it is not in AWS.
    pub table_endpoint: Option<String>,
    /// POLL_MIN_MS and POLL_MAX_MS, on Lambda.
    pub poll: RangeInclusive<Duration>,
}

/// A setting has a bad value. The sentence names the setting and the rule, and never shows the value: it may be
/// a secret in the wrong place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the setting {name} is bad: it {rule}")]
pub struct BadSetting {
    /// The variable.
    pub name: &'static str,
    /// What it must be.
    pub rule: String,
}

struct Reader<F>(F);

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    /// The value; an empty one is as good as none, because templates pass empty parameters.
    fn text(&self, name: &str) -> Option<String> {
        self.0(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn number(
        &self,
        name: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Result<u64, BadSetting> {
        let Some(text) = self.text(name) else { return Ok(default) };
        text.parse().ok().filter(|n| range.contains(n)).ok_or_else(|| {
            bad(name, format!("must be a whole number from {} to {}", range.start(), range.end()))
        })
    }

    fn choice<T: Copy>(&self, name: &'static str, choices: &[(&str, T)]) -> Result<T, BadSetting> {
        let Some(text) = self.text(name) else { return Ok(choices[0].1) };
        choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            bad(name, format!("must be one of {}", words.join(", ")))
        })
    }
}

fn bad(name: &'static str, rule: impl Into<String>) -> BadSetting {
    BadSetting { name, rule: rule.into() }
}

impl Settings {
    /// How fast a sender may post to a channel.
    #[must_use]
    pub const fn posts(&self) -> Rate {
        Rate::per_second(self.post_rate, self.post_burst)
    }

    /// Every variable that is read, on either host.
    pub const NAMES: [&'static str; 20] = [
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
        "STOCK_SOURCE",
        "STOCK_SYMBOLS",
        "LOG_LEVEL",
        "TABLE_NAME",
        "POLL_MIN_MS",
        "POLL_MAX_MS",
        "AWS_ENDPOINT_URL_DYNAMODB",
    ];

    /// Reads the settings; `lookup` answers a variable by its name.
    ///
    /// # Errors
    /// [`BadSetting`] for the first value that is against its rule.
    pub fn parse(host: Host, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, BadSetting> {
        // The one variable whose empty value says something: nobody may do anything without a token.
        let anonymous = lookup("ANONYMOUS").unwrap_or_else(|| "subscribe *, publish chat/*".to_owned());
        let read = Reader(lookup);
        // On Lambda a stream is an invocation, and their number is bounded as a whole.
        let (stream_secs, per_channel) = match host {
            Host::Worker => (0, *limits::STREAMS_PER_CHANNEL.end()),
            Host::Lambda => (60, 0),
        };
        let bound = |n| (n > 0).then_some(n);
        let poll_min = read.number("POLL_MIN_MS", limits::POLL_MS, 100)?;
        let poll_max = read.number("POLL_MAX_MS", limits::POLL_MS, poll_min.max(1_000))?;
        if poll_max < poll_min {
            return Err(bad("POLL_MAX_MS", "must not be below POLL_MIN_MS"));
        }
        Ok(Self {
            host,
            anonymous: anonymous
                .parse()
                .map_err(|e| bad("ANONYMOUS", format!("is a list of grants: {e}")))?,
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
            stock_source: read.choice(
                "STOCK_SOURCE",
                &[("simulated", StockSource::Simulated), ("published", StockSource::Published)],
            )?,
            stock_symbols: symbols(read.text("STOCK_SYMBOLS"))?,
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
            table_name: table_name(host, read.text("TABLE_NAME"))?,
            table_endpoint: endpoint(read.text("AWS_ENDPOINT_URL_DYNAMODB"))?,
            poll: Duration::from_millis(poll_min)..=Duration::from_millis(poll_max),
        })
    }
}

fn secret(name: &'static str, value: Option<String>) -> Result<Option<Secret>, BadSetting> {
    match value {
        Some(key) if key.len() < limits::AUTH_SECRET_BYTES => {
            Err(bad(name, format!("must be at least {} bytes", limits::AUTH_SECRET_BYTES)))
        }
        key => Ok(key.map(Secret::new)),
    }
}

fn table_name(host: Host, name: Option<String>) -> Result<String, BadSetting> {
    let name = name.unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let valid = limits::TABLE_NAME_CHARS.contains(&name.len()) && name.chars().all(is_name);
    if valid || host != Host::Lambda {
        return Ok(name);
    }
    let (least, most) = limits::TABLE_NAME_CHARS.into_inner();
    Err(bad(
        "TABLE_NAME",
        format!("must name a DynamoDB table: {least} to {most} letters, digits, `_`, `-` or `.`"),
    ))
}

fn endpoint(url: Option<String>) -> Result<Option<String>, BadSetting> {
    let well_formed = |url: &String| {
        let uri = url.parse::<http::Uri>().ok();
        uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
    };
    match url {
        Some(url) if !well_formed(&url) => {
            Err(bad("AWS_ENDPOINT_URL_DYNAMODB", "must be a URL such as http://127.0.0.1:8000"))
        }
        url => Ok(url),
    }
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
        Err(bad(
            "ALLOWED_ORIGINS",
            "must be * or a comma-separated list of origins such as https://example.com",
        ))
    }
}

fn symbols(list: Option<String>) -> Result<Vec<Symbol>, BadSetting> {
    let rule = |rule| bad("STOCK_SYMBOLS", format!("must be a comma-separated list: {rule}"));
    let list = list.unwrap_or_else(|| DEFAULT_SYMBOLS.join(","));
    let mut symbols = Vec::new();
    for name in list.split(',') {
        let symbol = Symbol::new(name.trim()).map_err(|e| rule(e.to_string()))?;
        if !symbols.contains(&symbol) {
            symbols.push(symbol);
        }
    }
    match symbols.len() {
        0..=limits::STOCK_SYMBOLS => Ok(symbols),
        n => Err(rule(format!("at most {} symbols, not {n}", limits::STOCK_SYMBOLS))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(vars: &[(&str, &str)]) -> Result<Settings, BadSetting> {
        Settings::parse(Host::Worker, |name| {
            assert!(Settings::NAMES.contains(&name), "{name} is missing in NAMES");
            vars.iter().find(|(var, _)| *var == name).map(|(_, value)| (*value).to_owned())
        })
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
                let lookup = |name: &str| match name {
                    "STREAMS_PER_CHANNEL" => Some(value.to_owned()),
                    "TABLE_NAME" => Some("ssedge".to_owned()),
                    _ => None,
                };
                assert_eq!(Settings::parse(host, lookup).unwrap().streams_per_channel, expected);
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
        check("STOCK_SOURCE", "real", "must be one of simulated, published");
        check(
            "ANONYMOUS",
            "all",
            "is a list of grants: a grant is `subscribe` or `publish`, a space and a pattern, as in `publish chat/*`",
        );
        check(
            "ALLOWED_ORIGINS",
            "https://a.example/,b",
            "must be * or a comma-separated list of origins such as https://example.com",
        );
        check("AWS_ENDPOINT_URL_DYNAMODB", "localhost:8000", "must be a URL such as http://127.0.0.1:8000");
        assert_eq!(parse(&[("STOCK_SYMBOLS", "acme")]).unwrap_err().name, "STOCK_SYMBOLS");
        assert_eq!(parse(&[("POLL_MIN_MS", "500"), ("POLL_MAX_MS", "100")]).unwrap_err().name, "POLL_MAX_MS");
    }

    #[test]
    fn nothing_set_means_the_defaults() {
        let settings = parse(&[]).unwrap();
        assert_eq!(settings, parse(&[("RETRY_MS", ""), ("STREAM_SECS", " ")]).unwrap());
        assert_eq!((settings.heartbeat.as_secs(), settings.retry.as_millis()), (15, 2_000));
        assert_eq!((settings.stream_life, settings.retention.max), (None, 1_000));
        assert_eq!(settings.stock_symbols.len(), 8);
        let lambda = Settings::parse(Host::Lambda, |name| (name == "TABLE_NAME").then(|| "ssedge".into()));
        assert_eq!(lambda.unwrap().stream_life, Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_function_needs_a_table() {
        let parse = |table: Option<&str>| {
            Settings::parse(Host::Lambda, |name| table.filter(|_| name == "TABLE_NAME").map(str::to_owned))
        };
        assert_eq!(parse(Some("ssedge-Table.1_x")).unwrap().table_name, "ssedge-Table.1_x");
        for name in [None, Some(""), Some("ab"), Some("a/b")] {
            assert_eq!(parse(name).unwrap_err().name, "TABLE_NAME", "{name:?}");
        }
    }

    #[test]
    fn an_empty_anonymous_locks_everything() {
        assert_eq!(parse(&[("ANONYMOUS", "")]).unwrap().anonymous, Grants::default());
    }

    #[test]
    fn lists_are_read() {
        let settings = parse(&[
            ("ALLOWED_ORIGINS", "https://a.example, http://localhost:3000"),
            ("STOCK_SYMBOLS", "ABC, X.Y ,ABC"),
        ])
        .unwrap();
        let origins = ["https://a.example", "http://localhost:3000"].map(str::to_owned);
        assert_eq!(settings.allowed_origins, Origins::Listed(origins.into()));
        assert_eq!(settings.stock_symbols, ["ABC", "X.Y"].map(|s| Symbol::new(s).unwrap()));
    }

    #[test]
    fn a_secret_is_not_shown() {
        let key = "k".repeat(32);
        assert!(!format!("{:?}", parse(&[("AUTH_SECRET", &key)]).unwrap()).contains(&key));
    }
}
