//! `cargo xtask dev`: the Worker in real workerd, on this machine.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ssedge::settings::{self, Settings};

use crate::process::{Group, check};
use crate::repo::Repo;
use crate::{Host, bundle, setup};

/// workerd starts in a second or two; a busy machine may take longer.
const START_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub struct Dev {
    /// The host to serve
    #[arg(value_enum, default_value_t)]
    host: Host,
    /// The port on 127.0.0.1; 0 takes any that is free
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// A setting for this run
    #[arg(long = "var", value_name = "NAME=VALUE")]
    vars: Vec<Var>,
    /// The folder where channels are kept
    #[arg(long, value_name = "DIR", default_value = ".state/worker")]
    state: PathBuf,
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

/// Refuses here what the Worker would refuse in every answer.
///
/// # Errors
/// A sentence that names the bad setting.
fn check_settings(vars: &BTreeMap<&str, &str>) -> Result<()> {
    if let Some(name) = vars.keys().find(|name| !Settings::NAMES.contains(name)) {
        bail!("{name} is no setting; the settings are {}", Settings::NAMES.join(", "));
    }
    Settings::parse(settings::Host::Worker, |name| vars.get(name).map(|value| (*value).to_owned()))?;
    Ok(())
}

/// Serves until a signal comes.
///
/// # Errors
/// When the port or the state is in use, a setting is bad, the build fails, or the server ends by itself.
pub fn dev(repo: &Repo, dev: &Dev) -> Result<()> {
    let Host::Worker = dev.host;
    let vars = dev.vars.iter().map(|var| (var.name.as_str(), var.value.as_str())).collect();
    check_settings(&vars)?;
    let port = free_port(dev.port)?;
    let state = repo.path(&dev.state);
    let _state_lock = lock_state(&state)?;

    setup::setup(repo)?;
    bundle::build(repo)?;

    let arguments = serde_json::json!({ "port": port, "state": state, "vars": vars });
    let mut node = repo.command(repo.path("node_modules/.bin/node"))?;
    node.arg("xtask/serve.mjs").arg(arguments.to_string());
    // The server ends when this pipe does, so it does not outlive xtask, however xtask ends.
    let mut server = Group::spawn(node.stdin(Stdio::piped()))?;
    let _pipe = server.child().stdin.take();
    wait_until_healthy(&mut server, port)?;
    println!("{}", greeting(port));
    server.wait().context("the server ended by itself")?;
    bail!("the server ended by itself")
}

fn free_port(port: u16) -> Result<u16> {
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

fn wait_until_healthy(server: &mut Group, port: u16) -> Result<()> {
    let deadline = Instant::now() + START_TIMEOUT;
    let mut last = String::new();
    while Instant::now() < deadline {
        if let Some(status) = server.child().try_wait()? {
            check("the server", status)?;
            bail!("the server ended before it answered");
        }
        last = health(port).unwrap_or_else(|error| error.to_string());
        if last.starts_with("HTTP/1.1 200") {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(50));
    }
    bail!("the server did not become healthy in {} s; its last answer: {last}", START_TIMEOUT.as_secs())
}

fn health(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn greeting(port: u16) -> String {
    let url = format!("http://127.0.0.1:{port}");
    format!(
        "\nssedge serves {url}: open it in a browser, or try\n\
         \n  curl -N {url}/api/events\
         \n  curl -N '{url}/api/stock?symbols=ACME&history=5'\
         \n  curl -N {url}/api/chat\n\
         \nCtrl-C ends it."
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
