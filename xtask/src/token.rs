//! `cargo xtask token`: a token for who tries what needs one.

use std::env;
use std::fs::File;
use std::io::Read;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_compact::alg::{Hs256, Hs256Key};
use jwt_compact::{AlgorithmExt, Header};
use serde::Serialize;
use ssedge::access::{InvalidGrant, Pattern, Secret};
use ssedge::feeds::{Drafts, Feed, Feeds};
use ssedge::limits;
use ssedge::log::ChannelName;
use ssedge::problem::Problem;
use ssedge::settings::Variables;
use ssedge::time::UnixMillis;

use crate::dev_vars::{DevVars, Found};
use crate::repo::Repo;

/// The setting that is the key of tokens.
pub const SECRET: &str = "AUTH_SECRET";
/// The longest life in seconds: a year. A token cannot be taken back; it ends by itself, or with the secret and so
/// with every other token.
const LONGEST_SECS: u64 = 365 * DAY_SECS;
const DAY_SECS: u64 = 24 * 60 * 60;
const _: () =
    assert!(LONGEST_SECS <= limits::TOKEN_LIFE.as_secs(), "no host would take a token of the longest life");

#[derive(clap::Args)]
pub struct Token {
    /// Who the token is for: the name of its holder in chats, and whose posts are counted together
    #[arg(long, value_name = "NAME")]
    sub: Option<String>,
    #[command(flatten)]
    grants: Grants,
    /// How long it is good for, as in 90s, 15m, 1h or 30d; at most 365d
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = life)]
    life: Duration,
    #[command(flatten)]
    dev_vars: DevVars,
}

/// What the holder may do, and all that it may: what ANONYMOUS grants is for those without a token.
#[derive(clap::Args, Serialize)]
#[group(required = true, multiple = true)]
struct Grants {
    /// What it may read: chat/lobby, events/orders, all below a prefix (chat/*), or *; a list, or given several times
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', value_parser = pattern)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscribe: Vec<String>,
    /// Where it may post, in the same way
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', value_parser = pattern)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    publish: Vec<String>,
    /// Which channels of one's own it may close, and nothing else, in the same way
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', value_parser = pattern)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    close: Vec<String>,
}

/// What is signed.
#[derive(Serialize)]
struct Claims<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    /// Seconds since 1970.
    exp: u64,
    #[serde(flatten)]
    grants: &'a Grants,
}

fn pattern(text: &str) -> Result<String, InvalidGrant> {
    text.parse::<Pattern>().map(|_| text.to_owned())
}

fn life(text: &str) -> Result<Duration, String> {
    let seconds = || {
        let unit = match text.chars().next_back()? {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => DAY_SECS,
            _ => return None,
        };
        text[..text.len() - 1].parse::<u64>().ok()?.checked_mul(unit)
    };
    let seconds = seconds().filter(|seconds| (1..=LONGEST_SECS).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| {
        format!("it is a number and one of s, m, h and d, from 1s to {}d", LONGEST_SECS / DAY_SECS)
    })
}

/// Prints a token, and what it is on standard error.
///
/// # Errors
/// When the secret is bad, or cannot be read or made.
pub fn token(repo: &Repo, token: &Token) -> Result<()> {
    let (key, origin) = secret(repo, &token.dev_vars)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let exp = since.as_secs() + token.life.as_secs();
    let claims = Claims { sub: token.sub.as_deref(), exp, grants: &token.grants };
    let signed = sign(&claims, key.bytes())?;
    eprintln!("{}", serde_json::to_string(&claims)?);
    eprintln!("good until {}, signed with {SECRET} of {origin}", UnixMillis(exp * 1_000));
    if token.grants.subscribe.is_empty() {
        eprintln!("it may read nothing: that takes --subscribe, whatever ANONYMOUS grants");
    }
    for warning in token.sub.as_deref().map(refusals).transpose()?.into_iter().flatten() {
        eprintln!("warning: {warning}");
    }
    println!("{signed}");
    Ok(())
}

/// What feeds say of a name under which nothing can be posted to them.
fn refusals(sub: &str) -> Result<Vec<String>> {
    let feeds = Feeds::read(&Variables::new(&|_| None))?;
    let refusal =
        |(feed, channel): (&dyn Feed, ChannelName)| match Drafts::of_json(feed, &channel, b"{}", Some(sub)) {
            // A feed looks at the name first; it does not get to what is missing.
            Err(problem @ Problem::OtherName { .. }) => {
                Some(format!("with this sub it cannot post to {}: {problem}", feed.name()))
            }
            _ => None,
        };
    Ok(feeds.channels("a").filter_map(refusal).collect())
}

fn sign(claims: &Claims, key: &[u8]) -> Result<String> {
    let claims = jwt_compact::Claims::new(claims);
    let header = Header::empty().with_token_type("JWT");
    let token = Hs256.token(&header, &claims, &Hs256Key::new(key)).map_err(anyhow::Error::msg)?;
    let (length, most) = (token.len(), limits::TOKEN_BYTES);
    ensure!(
        length <= most,
        "a token may have {most} bytes, and this one would have {length}: grant prefixes"
    );
    Ok(token)
}

/// The key, as a host reads it, and where it is from.
fn secret(repo: &Repo, dev_vars: &DevVars) -> Result<(Secret, String)> {
    let given = env::var(SECRET).ok().filter(|text| !text.trim().is_empty());
    let file = dev_vars.name().display().to_string();
    let (text, origin) = match given {
        Some(text) => (text, "the environment".to_owned()),
        None => (local_key(repo, dev_vars)?, file),
    };
    let key = Secret::new(text.trim().to_owned()).map_err(|e| anyhow!("{SECRET} in {origin} {e}"))?;
    Ok((key, origin))
}

/// The key of the file, which has one from then on.
///
/// # Errors
/// When the file cannot be read or written.
pub fn local_key(repo: &Repo, dev_vars: &DevVars) -> Result<String> {
    Ok(match dev_vars.find_or_add(repo, SECRET, random_key)? {
        Found::There(text) => text,
        Found::Added(text) => {
            eprintln!("there was no {SECRET}: {} has a new one now", dev_vars.name().display());
            text
        }
    })
}

/// As long as the hash that it is the key of.
fn random_key() -> Result<String> {
    let mut bytes = [0; limits::AUTH_SECRET_BYTES];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("the system gives no random bytes")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use ssedge::access::{Action, Caller, Scope};
    use ssedge::log::ChannelName;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        token: Token,
    }

    #[track_caller]
    fn parse(line: &str) -> Result<Token, String> {
        let cli = Cli::try_parse_from(std::iter::once("token").chain(line.split(' ')));
        cli.map(|cli| cli.token).map_err(|error| error.to_string())
    }

    #[test]
    fn a_life_is_a_number_and_a_unit() {
        for (text, seconds) in
            [("1s", 1), ("90s", 90), ("15m", 900), ("1h", 3_600), ("30d", 2_592_000), ("365d", LONGEST_SECS)]
        {
            assert_eq!(life(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "1", "h", "0s", "-1h", "1.5h", "1 h", "1w", "1H", "366d", "31536001s", "1é"] {
            assert_eq!(
                life(text).unwrap_err(),
                "it is a number and one of s, m, h and d, from 1s to 365d",
                "{text}"
            );
        }
        let (most, over) = (format!("{}d", u64::MAX), format!("{}0s", u64::MAX));
        assert!(life(&most).is_err() && life(&over).is_err());
    }

    #[test]
    fn patterns_are_a_list_or_come_one_by_one() {
        let token = parse("--publish chat/*,stock --publish events/orders --subscribe *").ok().unwrap();
        assert_eq!(token.grants.publish, ["chat/*", "stock", "events/orders"]);
        assert_eq!(token.grants.subscribe, ["*"]);
        assert_eq!((token.sub, token.life), (None, Duration::from_secs(3_600)));
    }

    #[test]
    fn a_name_that_cannot_speak_is_told() {
        assert_eq!(refusals("ada").unwrap(), [""; 0]);
        let told = refusals(" ").unwrap();
        assert!(told.len() == 1 && told[0].contains("the sub of the token"), "{told:?}");
    }

    #[test]
    fn a_token_that_grants_nothing_is_not_made() {
        for (line, says) in [
            ("--sub ada", "<--subscribe <PATTERN>|--publish <PATTERN>|--close <PATTERN>>"),
            ("--publish chat*", "a pattern is a channel"),
            ("--subscribe *,", "a pattern is a channel"),
            ("--subscribe * --for 1w", "from 1s to 365d"),
        ] {
            let error = parse(line).err().unwrap_or_else(|| panic!("{line} is taken"));
            assert!(error.contains(says), "{line}: {error}");
        }
    }

    /// Signed by Python's `hmac.digest(key, header + b"." + claims, "sha256")`.
    #[test]
    fn a_token_is_the_same_as_that_of_others() {
        let token = parse("--sub ada --subscribe events/orders --publish chat/*").ok().unwrap();
        let claims = Claims { sub: token.sub.as_deref(), exp: 1_795_341_600, grants: &token.grants };
        let parts = [
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
            "eyJzdWIiOiJhZGEiLCJleHAiOjE3OTUzNDE2MDAsInN1YnNjcmliZSI6WyJldmVudHMvb3JkZXJzIl0sInB1Ymxpc2giOlsiY2hhdC8qIl19",
            "eiA9yrr02j9WDhF3z4pT-44q99kwX2hQ6xer6wMKUCE",
        ];
        assert_eq!(sign(&claims, &[b'k'; 32]).unwrap(), parts.join("."));
    }

    #[test]
    fn a_host_reads_what_was_signed() {
        let key = random_key().unwrap();
        let secret = Secret::new(key.clone()).unwrap();
        let token = parse("--sub ada --subscribe stock --publish chat/lobby").ok().unwrap();
        let claims = Claims { sub: token.sub.as_deref(), exp: 1_795_341_600, grants: &token.grants };
        let signed = sign(&claims, key.as_bytes()).unwrap();
        let now = UnixMillis(1_795_341_000_000);
        let caller =
            Caller::authenticate(&Default::default(), Some(&signed), &Default::default(), [&secret], now);
        let caller = caller.unwrap();
        assert_eq!((caller.sub(), caller.ends()), (Some("ada"), Some(UnixMillis(1_795_341_600_000))));
        for (action, channel, granted) in [
            (Action::Subscribe, "stock", true),
            (Action::Publish, "stock", false),
            (Action::Publish, "chat/lobby", true),
            (Action::Subscribe, "chat/lobby", false),
        ] {
            let name = ChannelName::new(channel).unwrap();
            assert_eq!(
                caller.authorize(action, &name, Scope::Whole, false).is_ok(),
                granted,
                "{action} {channel}"
            );
        }
    }

    #[test]
    fn a_token_that_no_host_would_read_is_not_made() {
        let grants = Grants {
            subscribe: vec!["chat/a-room-of-its-own".to_owned(); 300],
            publish: Vec::new(),
            close: Vec::new(),
        };
        let error =
            sign(&Claims { sub: None, exp: 1, grants: &grants }, &[b'k'; 32]).unwrap_err().to_string();
        assert!(error.contains(&limits::TOKEN_BYTES.to_string()), "{error}");
    }

    #[test]
    fn a_random_key_is_long_enough_and_its_own() {
        let (one, other) = (random_key().unwrap(), random_key().unwrap());
        assert!(one.len() >= limits::AUTH_SECRET_BYTES && one != other, "{one}, {other}");
        assert_eq!(URL_SAFE_NO_PAD.decode(&one).map(|bytes| bytes.len()), Ok(limits::AUTH_SECRET_BYTES));
    }
}
