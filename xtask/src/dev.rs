//! `cargo xtask dev`: a host on this machine. The Worker is in real workerd; the function is in processes of an
//! emulated Lambda, with a local DynamoDB.

pub mod server;
mod watch;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use ssedge::feeds::Feeds;
use ssedge::route::Deployment;
use ssedge::settings::{self, TableSettings, Variables};

use self::server::{Platform, Served, Server, worker_program};
use self::watch::Watch;
use crate::dev_vars::DevVars;
use crate::process::Group;
use crate::repo::Repo;
use crate::steps::side_by_side;
use crate::{Host, bundle, setup, token};

/// How soon a change is seen, and the end of a server.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// Requests that a local Lambda takes at once. A page has four streams and opens four anew for another token, while those
/// before still take their processes; then it posts.
const CONCURRENCY: u32 = 16;
/// The settings of the Worker that are not secret.
const WRANGLER: &str = "wrangler.toml";

#[derive(clap::Args)]
pub struct Dev {
    /// The host to serve
    #[arg(value_enum, default_value_t)]
    host: Host,
    /// The port on 127.0.0.1; 0 takes any that is free [default: 8787, or 9000 for lambda]
    #[arg(long)]
    port: Option<u16>,
    /// Without the [vars] of wrangler.toml
    #[arg(long)]
    no_vars: bool,
    /// A setting for this run, which wins over that of the file; secrets belong into the file
    #[arg(long = "var", value_name = "NAME=VALUE")]
    vars: Vec<Var>,
    #[command(flatten)]
    dev_vars: DevVars,
    /// The folder where channels are kept [default: .state/worker or .state/lambda]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Only lambda: how many requests can be open at the same time [default: 16]
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
            return Err(format!("`{name}` is not the name of a setting: upper-case letters, digits and `_`"));
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

/// What is served, and from what.
struct Session<'a> {
    repo: &'a Repo,
    dev: &'a Dev,
    port: u16,
    state: PathBuf,
}

/// Serves until a signal comes, and after each change what has come of it.
///
/// # Errors
/// When the port or the state is in use, a setting is bad, the first build fails, or the server ends by itself.
pub fn dev(repo: &Repo, dev: &Dev) -> Result<()> {
    let default_port = match dev.host {
        Host::Worker => 8787,
        Host::Lambda => 9000,
    };
    if matches!(dev.host, Host::Worker) && (dev.concurrency.is_some() || dev.timeout.is_some()) {
        bail!("--concurrency and --timeout are for `cargo xtask dev lambda`: a Worker has neither");
    }
    if dev.dev_vars.is_empty(repo)? {
        dev.check(&dev.vars(&BTreeMap::new()))?;
    }
    let port = free_port(dev.port.unwrap_or(default_port))?;
    let state = repo.path(dev.state.as_deref().unwrap_or(dev.host.state()));
    let _state_lock = lock_state(&state)?;
    dev.make_key(repo)?;
    let session = Session { repo, dev, port, state };

    let mut watch = Watch::new(session.sources());
    let program = session.worker_program()?;
    let (bundle, from_file) = session.build()?;
    if !from_file.is_empty() {
        let names: Vec<_> = from_file.keys().map(String::as_str).collect();
        eprintln!("settings of {}: {}", dev.dev_vars.name().display(), names.join(", "));
    }
    let mut server = session.start(program, &bundle, &from_file)?;
    server.wait_until_healthy()?;
    println!("{}", greeting(port, dev.host));
    loop {
        thread::sleep(LOOK_EVERY);
        server.check()?;
        let changes = watch.changes();
        if !changes.is_empty() {
            session.serve_again(&mut server, &changes)?;
        }
    }
}

impl Session<'_> {
    /// What is watched: what goes into the host and its page. `Cargo.lock` is not among it, because a build may write it.
    fn sources(&self) -> Vec<PathBuf> {
        let of_host: &[&str] = match self.dev.host {
            Host::Worker => &["handlers/worker/Cargo.toml", "handlers/worker/src", WRANGLER],
            Host::Lambda => {
                &["handlers/lambda/Cargo.toml", "handlers/lambda/build.rs", "handlers/lambda/src"]
            }
        };
        let of_all = ["Cargo.toml", "shared/Cargo.toml", "shared/src", bundle::CLIENT, "web/src"];
        let mut sources: Vec<_> = of_all.iter().chain(of_host).map(|path| self.repo.path(path)).collect();
        sources.push(self.dev_vars());
        sources
    }

    fn dev_vars(&self) -> PathBuf {
        self.repo.path(self.dev.dev_vars.name())
    }

    /// Reads the file of settings and builds what has changed. Answers where the Worker is, and the settings.
    fn build(&self) -> Result<(PathBuf, BTreeMap<String, String>)> {
        let build = || match self.dev.host {
            Host::Worker => bundle::local_worker(self.repo),
            Host::Lambda => bundle::local(self.repo).map(|()| PathBuf::new()),
        };
        // What reads the file may have to be installed beside the build.
        if !setup::has_npm_packages(self.repo)? {
            return Ok((build()?, self.settings()?));
        }
        if self.is_built() {
            return side_by_side(build, || self.settings());
        }
        // A bad setting is not worth the minutes of a first build.
        let settings = self.settings()?;
        Ok((build()?, settings))
    }

    /// Whether it was built before, so that a build takes seconds.
    fn is_built(&self) -> bool {
        match self.dev.host {
            Host::Worker => bundle::local_worker_folder(self.repo).exists(),
            Host::Lambda => self.repo.built(bundle::FUNCTION).exists(),
        }
    }

    /// The settings of the file. With those of the command line they are good.
    fn settings(&self) -> Result<BTreeMap<String, String>> {
        let from_file = self.dev.dev_vars.read(self.repo)?;
        self.dev.check(&self.dev.vars(&from_file))?;
        Ok(from_file)
    }

    /// What will serve the Worker, if it can be started already: it loads while the Worker is built.
    fn worker_program(&self) -> Result<Option<Group>> {
        let is_installed = matches!(self.dev.host, Host::Worker) && setup::has_npm_packages(self.repo)?;
        is_installed.then(|| worker_program(self.repo)).transpose()
    }

    fn start(
        &self,
        program: Option<Group>,
        bundle: &Path,
        from_file: &BTreeMap<String, String>,
    ) -> Result<Server> {
        let (vars, build) = (self.dev.vars(from_file), name_of_build());
        let served = self.served(bundle, &vars, &build);
        match self.dev.host {
            Host::Worker => Server::worker(program.map_or_else(|| worker_program(self.repo), Ok)?, &served),
            Host::Lambda => Server::lambda(self.repo, &served, &self.dev.platform()),
        }
    }

    fn served<'a>(
        &'a self,
        bundle: &'a Path,
        vars: &'a BTreeMap<&'a str, &'a str>,
        build: &'a str,
    ) -> Served<'a> {
        let configured = !self.dev.no_vars;
        Served {
            bundle: Some(bundle),
            port: self.port,
            state: &self.state,
            vars,
            configured,
            build: Some(build),
        }
    }

    /// Serves what has come of these changes, or says why it cannot and leaves the server as it is.
    ///
    /// # Errors
    /// When the server does not come back.
    fn serve_again(&self, server: &mut Server, changes: &[PathBuf]) -> Result<()> {
        let started = Instant::now();
        let name =
            |path: &PathBuf| path.strip_prefix(self.repo.path("")).unwrap_or(path).display().to_string();
        eprintln!("\nchanged: {}", changes.iter().map(name).collect::<Vec<_>>().join(", "));
        let only_settings = changes.iter().all(|path| *path == self.dev_vars() || path.ends_with(WRANGLER));
        let built = if only_settings {
            self.settings().map(|settings| (bundle::local_worker_folder(self.repo), settings))
        } else {
            self.build()
        };
        let (bundle, from_file) = match built {
            Ok(built) => built,
            Err(error) => {
                eprintln!("error: {error:#}\nWhat was built before is served on until this is mended.");
                return Ok(());
            }
        };
        let (vars, build) = (self.dev.vars(&from_file), name_of_build());
        let served = self.served(&bundle, &vars, &build);
        match self.dev.host {
            Host::Worker => server.restart_worker(&served)?,
            Host::Lambda => server.restart_lambda(self.repo, &served, &self.dev.platform())?,
        }
        server.wait_until_healthy()?;
        eprintln!("served again after {:.1} s", started.elapsed().as_secs_f32());
        Ok(())
    }
}

impl Host {
    /// Where its channels are kept.
    fn state(self) -> &'static Path {
        Path::new(match self {
            Self::Worker => ".state/worker",
            Self::Lambda => ".state/lambda",
        })
    }
}

impl Dev {
    /// The settings, of which those of the command line win.
    fn vars<'a>(&'a self, from_file: &'a BTreeMap<String, String>) -> BTreeMap<&'a str, &'a str> {
        let mut vars: BTreeMap<_, _> =
            from_file.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        vars.extend(self.vars.iter().map(|var| (var.name.as_str(), var.value.as_str())));
        if matches!(self.host, Host::Lambda) {
            vars.entry("TABLE_NAME").or_insert("ssedge");
        }
        vars
    }

    /// Makes the key of tokens, unless there is one: the first token is then taken by the server that runs already. A
    /// key that is given on the command line, were it an empty one, stands.
    fn make_key(&self, repo: &Repo) -> Result<()> {
        let is_given = self.vars.iter().any(|var| var.name == token::SECRET);
        // What a file says of its key is wrangler's to read, which takes a second.
        if !is_given && self.dev_vars.is_kept(repo) && !self.dev_vars.mentions(repo, token::SECRET)? {
            token::local_key(repo, &self.dev_vars)?;
        }
        Ok(())
    }

    /// Refuses here what the host would refuse in every answer.
    ///
    /// # Errors
    /// A sentence that names the bad setting.
    fn check(&self, vars: &BTreeMap<&str, &str>) -> Result<()> {
        let defaults = Deployment::read(settings::Host::Worker, |_| None)?;
        let names: Vec<_> = defaults.variables().chain(TableSettings::NAMES).collect();
        if let Some(name) = vars.keys().find(|name| !names.contains(name)) {
            bail!("{name} is not a setting; the settings are {}", names.join(", "));
        }
        let lookup = |name: &str| vars.get(name).map(|value| (*value).to_owned());
        match self.host {
            Host::Worker => drop(Deployment::read(settings::Host::Worker, lookup)?),
            Host::Lambda => {
                Deployment::read(settings::Host::Lambda, lookup)?;
                TableSettings::read(&Variables::new(&lookup))?;
            }
        }
        Ok(())
    }

    fn platform(&self) -> Platform {
        Platform {
            concurrency: self.concurrency.unwrap_or(CONCURRENCY),
            timeout: self.timeout.unwrap_or(900),
        }
    }
}

/// Another one each time.
fn name_of_build() -> String {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string()
}

/// Ports below those that Linux and macOS give to whoever asks for any: a server takes seconds to start, and by then such
/// a port might be another's.
const FIRST_PORT: u16 = 20_000;
const PORTS: u32 = 12_000;
/// From where one process begins to look to where the next one does.
const PORTS_EACH: u32 = 97;

/// The port, or any that is free for 0.
///
/// # Errors
/// When something listens on it.
pub fn free_port(port: u16) -> Result<u16> {
    if port != 0 {
        return is_free(port).map(|()| port);
    }
    let from = std::process::id().wrapping_mul(PORTS_EACH);
    let nth = |nth: u32| u16::try_from(from.wrapping_add(nth) % PORTS).ok().map(|nth| FIRST_PORT + nth);
    let mut ports = (0..PORTS).filter_map(nth);
    ports.find(|port| is_free(*port).is_ok()).context("no port of this machine is free")
}

/// A browser takes either address of this machine for `localhost`.
fn is_free(port: u16) -> Result<()> {
    let what = |address: &str| {
        format!("port {port} of {address} cannot be used: end what listens there, or give another by --port")
    };
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| what("127.0.0.1"))?;
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(error).with_context(|| what("::1")),
        // There are machines without IPv6.
        _ => Ok(()),
    }
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
    let feeds = Deployment::read(settings::Host::Worker, |_| None).map(|deployment| deployment.feeds);
    let paths = feeds.iter().flat_map(Feeds::iter).filter_map(|feed| feed.endpoints().first());
    // A name that anybody may read.
    let named = |path: &str| {
        let parts = path.split('/').map(|part| if part.starts_with('{') { "public/hello" } else { part });
        parts.collect::<Vec<_>>().join("/")
    };
    let streams: Vec<_> = paths.map(|(_, path, _)| format!("  curl -N {url}{}\n", named(path))).collect();
    format!(
        "\nssedge serves {url}: open it in a browser, or try\n\n{}\
         \n{hint}A change of the source, the page or .dev.vars is built and served by itself. Ctrl-C ends it.",
        streams.concat()
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
