//! `cargo xtask dev`: a host on this machine. The Worker is in real workerd; the function is in processes of an
//! emulated Lambda, with a local DynamoDB.

pub mod server;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use ssedge::settings::{self, Settings};

use self::server::{Platform, Server};
use crate::dev_vars::DevVars;
use crate::repo::Repo;
use crate::{Host, bundle};

#[derive(clap::Args)]
pub struct Dev {
    /// The host to serve
    #[arg(value_enum, default_value_t)]
    host: Host,
    /// The port on 127.0.0.1; 0 takes any that is free [default: 8787, or 9000 for lambda]
    #[arg(long)]
    port: Option<u16>,
    /// A setting for this run, which wins over that of the file; secrets belong into the file
    #[arg(long = "var", value_name = "NAME=VALUE")]
    vars: Vec<Var>,
    #[command(flatten)]
    dev_vars: DevVars,
    /// The folder where channels are kept [default: .state/worker or .state/lambda]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Only lambda: how many requests can be open at the same time [default: 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    concurrency: Option<u32>,
    /// Only lambda: the seconds after which a process is killed in the middle of a request [default: 900]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=900))]
    timeout: Option<u32>,
}

/// A setting as it was given on the command line.
#[derive(Clone)]
struct Var {
    name: String,
    value: String,
}

impl FromStr for Var {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("it has the form NAME=VALUE")?;
        let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(format!("`{name}` is no name of a setting: upper-case letters, digits and `_`"));
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

/// Refuses here what the host would refuse in every answer.
///
/// # Errors
/// A sentence that names the bad setting.
fn check_settings(host: settings::Host, vars: &BTreeMap<&str, &str>) -> Result<()> {
    if let Some(name) = vars.keys().find(|name| !Settings::NAMES.contains(name)) {
        bail!("{name} is no setting; the settings are {}", Settings::NAMES.join(", "));
    }
    Settings::parse(host, |name| vars.get(name).map(|value| (*value).to_owned()))?;
    Ok(())
}

/// Serves until a signal comes.
///
/// # Errors
/// When the port or the state is in use, a setting is bad, the build fails, or the server ends by itself.
pub fn dev(repo: &Repo, dev: &Dev) -> Result<()> {
    let (host, default_port, default_state) = match dev.host {
        Host::Worker => (settings::Host::Worker, 8787, ".state/worker"),
        Host::Lambda => (settings::Host::Lambda, 9000, ".state/lambda"),
    };
    if host == settings::Host::Worker && (dev.concurrency.is_some() || dev.timeout.is_some()) {
        bail!("--concurrency and --timeout are for `cargo xtask dev lambda`: a Worker has neither");
    }
    let from_file = dev.dev_vars.read(repo)?;
    let mut vars: BTreeMap<_, _> =
        from_file.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    vars.extend(dev.vars.iter().map(|var| (var.name.as_str(), var.value.as_str())));
    if host == settings::Host::Lambda {
        vars.entry("TABLE_NAME").or_insert("ssedge");
    }
    check_settings(host, &vars)?;
    if !from_file.is_empty() {
        let names: Vec<_> = from_file.keys().map(String::as_str).collect();
        eprintln!("settings of {}: {}", dev.dev_vars.name().display(), names.join(", "));
    }
    let port = free_port(dev.port.unwrap_or(default_port))?;
    let state = repo.path(dev.state.as_deref().unwrap_or(Path::new(default_state)));
    let _state_lock = lock_state(&state)?;

    let server = match dev.host {
        Host::Worker => {
            let bundle = bundle::local_worker(repo)?;
            Server::worker(repo, Some(&bundle), port, &state, &vars)?
        }
        Host::Lambda => {
            bundle::local(repo)?;
            let platform =
                Platform { concurrency: dev.concurrency.unwrap_or(8), timeout: dev.timeout.unwrap_or(900) };
            Server::lambda(repo, port, &state, &vars, &platform)?
        }
    };
    server.serve(&greeting(port, dev.host))
}

/// The port, or any that is free for 0.
///
/// # Errors
/// When something listens on it.
pub fn free_port(port: u16) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| {
        format!("port {port} of 127.0.0.1 cannot be used: end what listens there, or give another by --port")
    })?;
    Ok(listener.local_addr()?.port())
}

fn lock_state(state: &Path) -> Result<File> {
    let what = || format!("the folder {} cannot be written", state.display());
    fs::create_dir_all(state).with_context(what)?;
    let lock = File::create(state.join("lock")).with_context(what)?;
    if lock.try_lock().is_err() {
        bail!("another server keeps its state in {}: give this one a folder by --state", state.display());
    }
    Ok(lock)
}

fn greeting(port: u16, host: Host) -> String {
    let url = format!("http://127.0.0.1:{port}");
    let hint = match host {
        Host::Worker => "",
        Host::Lambda => {
            "As on AWS, a reader who leaves is not told to the function: its process stays taken until the stream\n\
             ends after STREAM_SECS, and when all of --concurrency are taken the answer is 429.\n\n"
        }
    };
    format!(
        "\nssedge serves {url}: open it in a browser, or try\n\
         \n  curl -N {url}/api/events\
         \n  curl -N '{url}/api/stock?symbols=ACME&history=5'\
         \n  curl -N {url}/api/chat\n\
         \n{hint}Ctrl-C ends it."
    )
}

#[cfg(test)]
mod tests {
    use super::Var;

    #[test]
    fn a_value_arrives_whole() {
        for value in ["", "a=b", "subscribe *, publish chat/*", "http://a.example:8080,http://b.example"] {
            let var: Var = format!("ANONYMOUS={value}").parse().ok().unwrap();
            assert_eq!((var.name.as_str(), var.value.as_str()), ("ANONYMOUS", value));
        }
    }

    #[test]
    fn a_setting_needs_a_name() {
        for text in ["", "NAME", "=value", "name=value", "A B=value"] {
            assert!(text.parse::<Var>().is_err(), "{text}");
        }
    }
}
