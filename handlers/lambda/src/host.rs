//! What the platform alone knows: the time, chance, the environment, the log.

use std::env;
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::config::{Credentials, Region};
use ssedge::route::Deployment;
use ssedge::settings::{BadSetting, Host, LogLevel, TableSettings, Variables};
use ssedge::time::UnixMillis;

/// The current time.
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A number for what is drawn: the seed of a stream, the pauses of a writer, the mark on its entry.
pub fn draw() -> u64 {
    fastrand::u64(..)
}

pub async fn sleep_until(at: UnixMillis) {
    tokio::time::sleep(at.since(now())).await;
}

/// The deployment and its table, from the environment of the function.
pub fn deployment() -> Result<(Deployment, TableSettings), BadSetting> {
    let lookup = |name: &str| env::var(name).ok();
    Ok((Deployment::read(Host::Lambda, lookup)?, TableSettings::read(&Variables::new(&lookup))?))
}

/// The region that the function runs in.
pub fn region() -> Option<Region> {
    env::var("AWS_REGION").ok().map(Region::new)
}

/// The credentials of the function's role, which Lambda puts into the environment and which outlive it.
pub fn credentials() -> Option<Credentials> {
    let [id, secret] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| env::var(name).ok());
    Some(Credentials::new(id?, secret?, env::var("AWS_SESSION_TOKEN").ok(), None, "environment"))
}

/// Writes a line of this weight, if the deployment wants such lines.
pub fn log(wanted: LogLevel, weight: LogLevel, line: &str) {
    if weight <= wanted {
        eprintln!("{weight:?} {line}");
    }
}
