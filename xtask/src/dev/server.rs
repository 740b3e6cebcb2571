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

use crate::process::{Group, check, is_stopping};
use crate::repo::Repo;

/// workerd starts in a second or two; a busy machine may take longer.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How soon the end of a program is seen.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The settings of the function that say where its table is.
const TABLE_NAME: &str = "TABLE_NAME";
const TABLE_ENDPOINT: &str = "AWS_ENDPOINT_URL_DYNAMODB";

/// What the emulated Lambda has.
pub struct Platform {
    /// Processes at most.
    pub concurrency: u32,
    /// Seconds of an invocation.
    pub timeout: u32,
}

/// The programs, of which one answers on `port`.
pub struct Server {
    programs: Vec<Group>,
    port: u16,
}

impl Server {
    /// The Worker in this folder, or else the one that is deployed.
    ///
    /// # Errors
    /// When a program cannot be started.
    pub fn worker(
        repo: &Repo,
        bundle: Option<&Path>,
        port: u16,
        state: &Path,
        vars: &BTreeMap<&str, &str>,
    ) -> Result<Self> {
        let settings = json!({ "bundle": bundle, "port": port, "state": state, "vars": vars });
        let server = start(&mut node(repo, "xtask/serve.mjs")?, &settings)?;
        Ok(Self { programs: vec![server], port })
    }

    /// With a local DynamoDB that keeps its table in `state`, unless `vars` names another.
    ///
    /// # Errors
    /// When a program cannot be started.
    pub fn lambda(
        repo: &Repo,
        port: u16,
        state: &Path,
        vars: &BTreeMap<&str, &str>,
        platform: &Platform,
    ) -> Result<Self> {
        let mut environment: BTreeMap<&str, String> =
            vars.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let mut programs = Vec::new();
        if !vars.contains_key(TABLE_ENDPOINT) {
            let settings = json!({ "port": 0, "state": state, "table": vars[TABLE_NAME] });
            let mut table = start(node(repo, "xtask/dynalite.mjs")?.stdout(Stdio::piped()), &settings)?;
            environment.insert(TABLE_ENDPOINT, format!("http://127.0.0.1:{}", port_of(&mut table)?));
            programs.push(table);
        }
        let settings = json!({
            "port": port,
            "function": repo.built("ssedge-lambda"),
            "concurrency": platform.concurrency,
            "timeout": platform.timeout,
            "environment": environment,
        });
        let mut emulator = repo.command(repo.built("ssedge-emulator"))?;
        // Its journal is for tests; what the function logs is on standard error.
        programs.push(start(emulator.stdout(Stdio::null()), &settings)?);
        Ok(Self { programs, port })
    }

    /// Says `greeting` once it answers, and returns only when it ends by itself.
    ///
    /// # Errors
    /// What ended, and how.
    pub fn serve(mut self, greeting: &str) -> Result<()> {
        self.wait_until_healthy()?;
        println!("{greeting}");
        loop {
            thread::sleep(LOOK_EVERY);
            self.check()?;
        }
    }

    /// # Errors
    /// What ended, and how, or what it answers instead.
    pub fn wait_until_healthy(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        let mut last = String::new();
        while !last.starts_with("HTTP/1.1 200") {
            if Instant::now() > deadline {
                bail!(
                    "the server did not become healthy in {} s; its last answer: {last}",
                    START_TIMEOUT.as_secs()
                );
            }
            thread::sleep(LOOK_EVERY);
            self.check()?;
            last = self.health().unwrap_or_else(|error| error.to_string());
        }
        Ok(())
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn check(&mut self) -> Result<()> {
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

    fn health(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(
            stream,
            "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
            self.port
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

fn node(repo: &Repo, script: &str) -> Result<Command> {
    let mut node = repo.command(repo.path("node_modules/.bin/node"))?;
    node.arg(script);
    Ok(node)
}

/// Starts a program that reads its settings from the first line of its standard input, since a list of processes
/// would show them as an argument. It ends when that input does, and so does not outlive xtask, however xtask ends.
fn start(command: &mut Command, settings: &Value) -> Result<Group> {
    let mut program = Group::spawn(command.stdin(Stdio::piped()))?;
    let input = program.child().stdin.as_mut().context("its input is no pipe")?;
    writeln!(input, "{settings}").context("a program of the server ended at once")?;
    Ok(program)
}

/// The port that the program prints once it listens, as `{"port":8000}`.
fn port_of(program: &mut Group) -> Result<u16> {
    let output = program.child().stdout.take().context("its output is no pipe")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let said: Value = serde_json::from_str(&line).context("the local DynamoDB did not start")?;
    said["port"].as_u64().and_then(|port| port.try_into().ok()).context("the local DynamoDB has no port")
}
