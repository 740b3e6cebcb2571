//! The environment: any values of any variables.

use std::collections::BTreeMap;

use http::Method;
use ssedge::limits;
use ssedge::problem::Problem;
use ssedge::route::{Deployment, Peer, Plan, plan};
use ssedge::settings::{BadSetting, Host, Settings, TableSettings, Variables};

use super::route;
use crate::stream::{NOW, Stream};

/// A word that no sentence has, so that it can only come from a value.
const CANARY: &str = "~canary~";

/// RFC 7518 § 3.2 wants a key that is at least as long as the hash.
const SHA_256_BYTES: usize = 32;

/// The input is lines of `NAME=value`. Settings that are taken can be used, and one that is refused is named, but its
/// value is never shown.
pub fn settings(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let vars: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    for host in [Host::Worker, Host::Lambda] {
        match read(host, |name| vars.get(name).map(|value| (*value).to_owned())) {
            Ok((deployment, table)) => {
                used(&deployment, table.as_ref());
                keys_are_long(&vars);
            }
            Err(bad) => named(&bad, host, &vars),
        }
        if !text.contains(CANARY) {
            no_value_is_shown(host, &vars);
        }
    }
}

/// What a host reads when it starts.
fn read(
    host: Host,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<(Deployment, Option<TableSettings>), BadSetting> {
    let deployment = Deployment::read(host, &lookup)?;
    let table = (host == Host::Lambda).then(|| TableSettings::read(&Variables::new(&lookup)));
    Ok((deployment, table.transpose()?))
}

fn named(bad: &BadSetting, host: Host, vars: &BTreeMap<&str, &str>) {
    let deployment = Deployment::read(Host::Worker, |_| None).expect("the defaults are good");
    assert!(
        deployment.variables().chain(TableSettings::NAMES).any(|name| name == bad.name),
        "{bad:?} is not a setting"
    );
    // The longest pause is at fault also where only the shortest is set.
    let set = if bad.name == "POLL_MAX_MS" { "POLL_MIN_MS" } else { bad.name };
    let missing = host == Host::Lambda && bad.name == "TABLE_NAME";
    assert!(missing || vars.contains_key(bad.name) || vars.contains_key(set), "{bad} in {vars:?}");
    assert!(bad.to_string().starts_with(&format!("the setting {} is bad: it ", bad.name)), "{bad}");
    let (status, document) = route::document(&Problem::from(bad.clone()));
    assert_eq!(
        (status, &document["field"], &document["detail"]),
        (500, &bad.name.into(), &bad.to_string().into())
    );
}

/// What is within its range is of use: streams open, and what they are told makes sense.
fn used(deployment: &Deployment, table: Option<&TableSettings>) {
    let settings = &deployment.settings;
    let Settings { heartbeat, retry, stream_life, retention, .. } = settings;
    assert!(limits::HEARTBEAT_SECS.contains(&heartbeat.as_secs()), "{heartbeat:?}");
    assert!(
        (*limits::RETRY_MS.start() as u128..=*limits::RETRY_MS.end() as u128).contains(&retry.as_millis())
    );
    assert!(
        stream_life.is_none_or(|life| life.as_secs() >= 1 && limits::STREAM_SECS.contains(&life.as_secs()))
    );
    assert!(retention.max >= 1 && retention.age.as_secs() >= 1, "{retention:?}");
    if let Some(TableSettings { poll, .. }) = table {
        assert!(poll.start() <= poll.end() && poll.start().as_millis() >= 1, "{poll:?}");
    }
    let channels = deployment.feeds.endpoints().filter(|(method, ..)| *method == Method::POST);
    for (_, path, _) in channels {
        let target = path.replace(['{', '}'], "");
        let request = route::request(&format!("GET {target}?history=3")).expect("a request");
        match plan(&request, Peer::default(), deployment, NOW) {
            Ok(Plan::Stream(stream, ..)) => {
                let stream = Stream::open(*stream, settings.stream(), 7);
                assert!(
                    stream.wake_at.is_some_and(|at| at > NOW),
                    "{target} is woken at {:?}",
                    stream.wake_at
                );
            }
            Ok(other) => panic!("{target} is a stream, not {other:?}"),
            Err(problem) => assert!(matches!(problem, Problem::Forbidden(_)), "{target}: {problem:?}"),
        }
    }
}

/// A setting that is empty is not set.
fn keys_are_long(vars: &BTreeMap<&str, &str>) {
    for name in ["AUTH_SECRET", "AUTH_SECRET_PREVIOUS"] {
        let bytes = vars.get(name).map_or(0, |key| key.trim().len());
        assert!(bytes == 0 || bytes >= SHA_256_BYTES, "{name} of {bytes} bytes is taken");
    }
}

/// A bad value may be a secret in the wrong place, and a good one may be a secret in its own.
fn no_value_is_shown(host: Host, vars: &BTreeMap<&str, &str>) {
    let marked = |name: &str| vars.get(name).map(|value| format!("{value}{CANARY}"));
    if let Err(bad) = read(host, marked) {
        assert!(!format!("{bad} {bad:?}").contains(CANARY), "{bad:?}");
    }
    let secret = |name: &str| match vars.get(name) {
        Some(value) if name.starts_with("AUTH_SECRET") => Some(format!("{value}{CANARY}")),
        value => value.map(|value| (*value).to_owned()),
    };
    if let Ok(read) = read(host, secret) {
        assert!(!format!("{read:?}").contains(CANARY), "{read:?}");
    }
}
