//! `cargo xtask` and its commands `dev`, `quotes` and `token`, as somebody sees them who types them.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a helper fails as the test does")]

pub mod edit;
pub mod quotes;
pub mod vars;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::{Client, PATIENCE};
use crate::host::{built, root};

/// What was set up and built before is only looked at again.
const START: Duration = Duration::from_secs(120);
/// What the command itself promises.
const END: Duration = Duration::from_secs(5);

/// A command for this checkout. It is built once and run without cargo, which could not be asked to end it.
fn xtask(command: &str, arguments: &[&str]) -> Command {
    let mut xtask = xtask_in(root());
    xtask.arg(command).args(arguments);
    xtask
}

/// It without a command, for a checkout.
fn xtask_in(checkout: &Path) -> Command {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        // As `cargo xtask test` builds it.
        let build = ["build", "--quiet", "--workspace", "--exclude", "ssedge-worker", "--bin", "xtask"];
        let build = Command::new(cargo).args(build).status();
        assert!(build.unwrap().success(), "xtask cannot be built");
    });
    let mut xtask = Command::new(built("debug", "xtask"));
    xtask.env("CARGO_MANIFEST_DIR", checkout.join("xtask")).stdin(Stdio::null());
    xtask.env_remove("AUTH_SECRET");
    xtask
}

/// Its exit code, and what it says on standard error, to these words.
#[must_use]
pub fn said(words: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = xtask_in(root()).args(words).output().unwrap();
    assert!(stdout.is_empty(), "{words:?}: {}", String::from_utf8_lossy(&stdout));
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// `cargo xtask dev`, without what is set for this checkout.
fn dev(arguments: &[&str]) -> Command {
    let mut dev = xtask("dev", arguments);
    dev.arg("--no-vars");
    if !arguments.contains(&"--dev-vars") {
        dev.args(["--dev-vars", "/dev/null"]);
    }
    dev
}

/// What `cargo xtask token` printed.
#[derive(Debug)]
pub struct Minted {
    /// Its standard output, which is the token alone, on a line.
    pub token: String,
    /// Its standard error.
    pub said: String,
}

/// Mints a token by the secret in this file.
#[must_use]
pub fn token(dev_vars: &Path, arguments: &[&str]) -> Minted {
    let mut token = xtask("token", arguments);
    let Output { status, stdout, stderr } = token.arg("--dev-vars").arg(dev_vars).output().unwrap();
    let (stdout, said) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert!(status.success(), "{arguments:?}: {said}");
    let token = stdout.strip_suffix('\n').unwrap_or_else(|| panic!("no line: {stdout:?}"));
    assert!(token.split('.').count() == 3 && !token.contains(char::is_whitespace), "no token: {stdout:?}");
    Minted { token: token.to_owned(), said }
}

/// `cargo xtask dev`, running. Dropping it ends it.
#[derive(Debug)]
pub struct Dev {
    child: Child,
    /// The lines that it printed.
    pub greeting: Vec<String>,
}

impl Dev {
    /// Waits until it has said everything that it says.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        Self::spawn(&mut dev(arguments))
    }

    fn spawn(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut dev = Self { child, greeting: Vec::new() };
        let lines = BufReader::new(dev.child.stdout.take().unwrap()).lines();
        let (say, said) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| say.send(line)));
        let deadline = Instant::now() + START;
        while !dev.greeting.last().is_some_and(|line| line.contains("Ctrl-C")) {
            let left = deadline.saturating_duration_since(Instant::now());
            dev.greeting
                .push(said.recv_timeout(left).unwrap_or_else(|e| panic!("{e} after {:?}", dev.greeting)));
        }
        dev
    }

    /// Asks what it serves.
    #[must_use]
    pub fn client(&self) -> Client {
        let line = self.greeting.iter().find_map(|line| line.strip_prefix("ssedge serves "));
        let url = line.and_then(|line| line.split_once(": ")).map(|(url, _)| url);
        Client::new(url.unwrap_or_else(|| panic!("no URL in {:?}", self.greeting)))
    }

    /// It, and all that it started.
    fn family(&self) -> BTreeSet<u32> {
        let listing = Command::new("ps").args(["-A", "-o", "pid=", "-o", "ppid="]).output().unwrap().stdout;
        let listing = String::from_utf8(listing).unwrap();
        let pairs: Vec<(u32, u32)> = listing
            .lines()
            .filter_map(|line| {
                let mut numbers = line.split_whitespace().map_while(|number| number.parse().ok());
                Some((numbers.next()?, numbers.next()?))
            })
            .collect();
        let mut family = BTreeSet::from([self.child.id()]);
        while let Some((pid, _)) =
            pairs.iter().find(|(pid, parent)| family.contains(parent) && !family.contains(pid))
        {
            family.insert(*pid);
        }
        family
    }

    /// The arguments of all of these, as everybody on the machine can list them.
    #[must_use]
    pub fn arguments(&self) -> String {
        let pids: Vec<_> = self.family().iter().map(ToString::to_string).collect();
        let listing = Command::new("ps").args(["-o", "args=", "-p", &pids.join(",")]).output().unwrap();
        String::from_utf8(listing.stdout).unwrap()
    }

    /// Sends it the signal and waits until it and all that it started have ended.
    ///
    /// A family has at least xtask, node and what node runs.
    pub fn end_by(mut self, signal: Signal) -> ExitStatus {
        let family = self.family();
        assert!(family.len() > 2, "{family:?}");
        let sent = Instant::now();
        kill(pid(self.child.id()), signal).unwrap();
        let status = self.child.wait().unwrap();
        let left = || family.iter().filter(|id| kill(pid(**id), None).is_ok()).collect::<Vec<_>>();
        while !left().is_empty() && sent.elapsed() < END {
            thread::sleep(Duration::from_millis(20));
        }
        assert!(left().is_empty(), "{signal} left {:?} of {family:?}", left());
        assert!(sent.elapsed() < END, "{signal} took {:?}", sent.elapsed());
        status
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill(pid(self.child.id()), Signal::SIGTERM);
            let _ = self.child.wait();
        }
    }
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(id.cast_signed())
}

/// Runs a line as a shell would, until its output satisfies `enough`.
pub fn run_line(line: &str, enough: impl Fn(&str) -> bool) -> String {
    let shell = Command::new("sh")
        .arg("-c")
        .arg(format!("exec {line}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut shell = shell.unwrap();
    let mut pipe = shell.stdout.take().unwrap();
    let (say, said) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4_096];
        while let Ok(n @ 1..) = pipe.read(&mut buffer) {
            let _ = say.send(String::from_utf8_lossy(&buffer[..n]).into_owned());
        }
    });
    let deadline = Instant::now() + PATIENCE;
    let mut output = String::new();
    while !enough(&output) {
        let part = said.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        output.push_str(&part.unwrap_or_else(|e| panic!("{line}: {e} after {output:?}")));
    }
    shell.kill().unwrap();
    shell.wait().unwrap();
    output
}

/// Sees it end with an error that says all of this.
#[track_caller]
pub fn refused(arguments: &[&str], says: &[&str]) {
    let mut child = dev(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    // One that serves instead of refusing is not to outlive the test.
    let refuses = matches!(child.try_wait(), Ok(Some(_)));
    if !refuses {
        kill(pid(child.id()), Signal::SIGTERM).unwrap();
    }
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(refuses, "{arguments:?} does not end: {stdout}{stderr}");
    assert!(!status.success(), "{arguments:?} is taken: {stdout}");
    // Before it may come what is being built.
    assert!(stderr.lines().any(|line| line.starts_with("error: ")), "{arguments:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
    for word in says {
        assert!(stderr.contains(word), "{arguments:?} does not say {word:?}: {stderr}");
    }
}
