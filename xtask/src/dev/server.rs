//! The programs that serve a host. All of them end together, and when xtask does.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::bundle;
use crate::process::{Group, check, is_stopping};
use crate::repo::Repo;

/// workerd starts in a second or two; a busy machine may take longer.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How soon it is seen that a program answers or has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The settings of the function that say where its table is.
const TABLE_NAME: &str = "TABLE_NAME";
const TABLE_ENDPOINT: &str = "AWS_ENDPOINT_URL_DYNAMODB";

/// What the page runs under the emulator, to load itself again.
const RELOAD: &str = include_str!("../../reload.js");

/// What the emulated Lambda has.
pub struct Platform {
    /// Processes at most.
    pub concurrency: u32,
    /// Seconds of an invocation.
    pub timeout: u32,
}

/// What a host is to serve.
pub struct Served<'a> {
    /// The Worker's modules, if they are not those that are deployed.
    pub bundle: Option<&'a Path>,
    pub port: u16,
    pub state: &'a Path,
    pub vars: &'a BTreeMap<&'a str, &'a str>,
    /// Whether the [vars] of wrangler.toml hold where `vars` says nothing, on the Worker.
    pub configured: bool,
    /// By another name than before, the page of whoever looks at it loads itself again.
    pub build: Option<&'a str>,
}

/// The programs, of which the last one answers on the port.
pub struct Server {
    programs: Vec<Group>,
    port: u16,
    build: Option<String>,
    /// Where the function's table is.
    table: String,
}

impl Server {
    /// By a program of [`worker_program`].
    ///
    /// # Errors
    /// When the program has ended.
    pub fn worker(mut program: Group, served: &Served) -> Result<Self> {
        tell(&mut program, &for_worker(served))?;
        Ok(Self {
            programs: vec![program],
            port: served.port,
            build: served.build.map(str::to_owned),
            table: String::new(),
        })
    }

    /// With a local DynamoDB that keeps its table in `state`, unless `vars` names another.
    ///
    /// # Errors
    /// When a program cannot be started.
    pub fn lambda(repo: &Repo, served: &Served, platform: &Platform) -> Result<Self> {
        let mut programs = Vec::new();
        let table = match served.vars.get(TABLE_ENDPOINT) {
            Some(endpoint) => (*endpoint).to_owned(),
            None => {
                let settings = json!({ "port": 0, "state": served.state, "table": served.vars[TABLE_NAME] });
                let mut table = repo.command(repo.built("ssedge-table"))?;
                let mut table = start(table.stdout(Stdio::piped()), &settings)?;
                let endpoint = format!("http://127.0.0.1:{}", port_of(&mut table)?);
                programs.push(table);
                endpoint
            }
        };
        programs.push(emulator(repo, served, platform, &table)?);
        Ok(Self { programs, port: served.port, build: served.build.map(str::to_owned), table })
    }

    /// Serves something else, at the same port and with the same state.
    ///
    /// # Errors
    /// When it cannot be told, or a program cannot be started.
    pub fn restart_worker(&mut self, served: &Served) -> Result<()> {
        self.build = served.build.map(str::to_owned);
        let program = self.programs.last_mut().context("nothing serves")?;
        tell(program, &for_worker(served))
    }

    /// As [`Self::restart_worker`]. The table stays as it is.
    ///
    /// # Errors
    /// As there.
    pub fn restart_lambda(&mut self, repo: &Repo, served: &Served, platform: &Platform) -> Result<()> {
        self.build = served.build.map(str::to_owned);
        // The port is free once it has ended.
        drop(self.programs.pop());
        self.programs.push(emulator(repo, served, platform, &self.table)?);
        Ok(())
    }

    /// # Errors
    /// What ended, and how, or what it answers instead.
    pub fn wait_until_healthy(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        let mut last = String::new();
        while !self.is_served(&last) {
            if Instant::now() > deadline {
                bail!(
                    "the server did not become healthy in {} s; its last answer: {last}",
                    START_TIMEOUT.as_secs()
                );
            }
            thread::sleep(LOOK_EVERY);
            self.check()?;
            last = self.ask("/healthz").unwrap_or_else(|error| error.to_string());
        }
        Ok(())
    }

    /// Whether this answer is that of a healthy server, and of the newest build.
    fn is_served(&self, health: &str) -> bool {
        let is_newest = |build: &String| self.ask("/__dev/build").is_ok_and(|answer| answer.ends_with(build));
        // A function whose processes are all taken, by readers that have come back, is healthy too.
        let is_healthy = ["HTTP/1.1 200", "HTTP/1.1 429"].iter().any(|status| health.starts_with(status));
        is_healthy && self.build.as_ref().is_none_or(is_newest)
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// # Errors
    /// What ended by itself, and how.
    pub fn check(&mut self) -> Result<()> {
        let mut ended = None;
        for program in &mut self.programs {
            // Each is asked each time: a program that ended counts as alive until it was waited for.
            ended = program.child().try_wait()?.or(ended);
        }
        match ended {
            Some(status) if !is_stopping() => {
                check("the server", status)?;
                bail!("the server ended by itself")
            }
            _ => Ok(()),
        }
    }

    fn ask(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", self.port)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

/// Starts what serves the Worker. It takes a second to load, before it is told what to serve.
///
/// # Errors
/// When it cannot be started.
pub fn worker_program(repo: &Repo) -> Result<Group> {
    let mut node = repo.command(repo.path("node_modules/.bin/node"))?;
    Group::spawn(node.arg("xtask/serve.mjs").stdin(Stdio::piped()))
}

fn for_worker(served: &Served) -> Value {
    let Served { bundle, port, state, vars, configured, build } = served;
    json!({
        "bundle": bundle, "port": port, "state": state, "vars": vars, "configured": configured, "build": build
    })
}

fn emulator(repo: &Repo, served: &Served, platform: &Platform, table: &str) -> Result<Group> {
    let mut environment = served.vars.clone();
    environment.insert(TABLE_ENDPOINT, table);
    let settings = json!({
        "port": served.port,
        "function": repo.built(bundle::FUNCTION),
        "concurrency": platform.concurrency,
        "timeout": platform.timeout,
        "environment": environment,
        "reload": served.build.map(|build| json!({ "build": build, "script": RELOAD })),
    });
    let mut emulator = repo.command(repo.built("ssedge-emulator"))?;
    // Its journal is for tests; what the function logs is on standard error.
    start(emulator.stdout(Stdio::null()), &settings)
}

/// Starts a program that reads its settings from the first line of its standard input, since a list of processes
/// would show them as an argument. It ends when that input does, and so does not outlive xtask, however xtask ends.
fn start(command: &mut Command, settings: &Value) -> Result<Group> {
    let mut program = Group::spawn(command.stdin(Stdio::piped()))?;
    tell(&mut program, settings)?;
    Ok(program)
}

fn tell(program: &mut Group, settings: &Value) -> Result<()> {
    let input = program.child().stdin.as_mut().context("its input is not a pipe")?;
    writeln!(input, "{settings}").context("a program of the server has ended")
}

/// The port that the program prints once it listens, as `{"port":8000}`.
fn port_of(program: &mut Group) -> Result<u16> {
    let output = program.child().stdout.take().context("its output is not a pipe")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let said: Value = serde_json::from_str(&line).context("the local DynamoDB did not start")?;
    said["port"].as_u64().and_then(|port| port.try_into().ok()).context("the local DynamoDB has no port")
}
