//! `cargo xtask dev worker`, as somebody sees it who types it.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ssedge_tests::client::{Client, PATIENCE};
use ssedge_tests::host::{Folder, free_port, root};

/// What was set up and built before is only looked at again.
const START: Duration = Duration::from_secs(120);
/// What the command itself promises.
const END: Duration = Duration::from_secs(5);

/// The command. It is built once and run without cargo, which could not be asked to end it.
fn xtask(arguments: &[&str]) -> Command {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let build = Command::new(cargo).args(["build", "--quiet", "--package", "xtask"]).status();
        assert!(build.unwrap().success(), "xtask cannot be built");
    });
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut command = Command::new(target.join("debug/xtask"));
    command.arg("dev").args(arguments).env("CARGO_MANIFEST_DIR", root().join("xtask")).stdin(Stdio::null());
    command
}

/// The command, running. Dropping it ends it.
struct Dev {
    child: Child,
    greeting: Vec<String>,
}

impl Dev {
    /// Waits until it has said everything that it says.
    fn start(arguments: &[&str]) -> Self {
        let child = xtask(arguments).stdout(Stdio::piped()).spawn().unwrap();
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

    fn client(&self) -> Client {
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

    /// Sends it the signal and waits until it and all that it started have ended.
    fn end_by(mut self, signal: Signal) -> ExitStatus {
        let family = self.family();
        assert!(family.len() > 2, "it, node and workerd: {family:?}");
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
fn run_line(line: &str, enough: impl Fn(&str) -> bool) -> String {
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

#[tokio::test]
async fn the_lines_that_it_prints_work() {
    let (port, state) = (free_port().to_string(), Folder::new());
    let dev = Dev::start(&["worker", "--port", &port, "--state", state.path().to_str().unwrap()]);
    assert!(
        dev.greeting.iter().any(|line| line.contains(&format!("http://127.0.0.1:{port}"))),
        "{:?}",
        dev.greeting
    );
    assert_eq!(dev.client().get("/healthz", &[]).await.json()["host"], "worker");
    dev.client().say("lobby", "hi").await;

    let lines: Vec<_> =
        dev.greeting.iter().map(|line| line.trim()).filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(lines.len(), 3, "{:?}", dev.greeting);
    for (line, (path, expected)) in lines.iter().zip([
        ("/api/events", "\n\ndata: {\"type\":\"tick\",\"time\":\""),
        ("/api/stock", "\ndata: {\"symbol\":\"ACME\",\"price\":"),
        ("/api/chat", "\"room\":\"lobby\",\"user\":\"ada\",\"text\":\"hi\",\"time\":\""),
    ]) {
        assert!(line.contains(&format!("http://127.0.0.1:{port}{path}")), "{line}");
        let output = run_line(line, |output| output.contains(expected));
        assert!(output.starts_with("retry: "), "{line}: {output}");
    }
    assert_eq!(dev.end_by(Signal::SIGTERM).code(), Some(0));
    TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse().unwrap())).expect("the port is free again");
}

#[tokio::test]
async fn history_outlives_the_server_and_ids_go_on() {
    let state = Folder::new();
    let arguments =
        ["worker", "--port", "0", "--state", state.path().to_str().unwrap(), "--var", "HEARTBEAT_SECS=1"];
    let dev = Dev::start(&arguments);
    let mut ids = Vec::new();
    for text in ["1", "2", "3"] {
        ids.push(dev.client().say("lobby", text).await);
    }
    // Another server would write where this one does.
    refused(&arguments, &["another server", "--state"]);
    // A reader that is connected does not hold the end up.
    let mut reader = dev.client().open("/api/chat?history=0", &[]).await;
    reader.message().await;
    assert!(reader.next(PATIENCE).await.is_ok(), "the setting HEARTBEAT_SECS was given");
    assert_eq!(dev.end_by(Signal::SIGINT).code(), Some(0));

    let dev = Dev::start(&arguments);
    ids.push(dev.client().say("lobby", "4").await);
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ids:?}");
    let path = format!("/api/chat?lastEventId={}", reader.cursor());
    assert_eq!(dev.client().open(&path, &[]).await.plain(1).await[0].last_event_id, ids[3].to_string());
    let snapshot = dev.client().get_json("/api/chat").await.json();
    assert_eq!(snapshot["messages"].as_array().map(Vec::len), Some(4), "{snapshot}");
    dev.end_by(Signal::SIGTERM);
}

#[track_caller]
fn refused(arguments: &[&str], says: &[&str]) {
    let asked = Instant::now();
    let Output { status, stdout, stderr } = xtask(arguments).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(!status.success(), "{arguments:?} is taken: {stdout}");
    assert!(stderr.starts_with("error: ") && !stderr.contains("panicked"), "{arguments:?}: {stderr}");
    for word in says {
        assert!(stderr.contains(word), "{arguments:?} does not say {word:?}: {stderr}");
    }
    assert!(asked.elapsed() < START, "{arguments:?}");
}

#[test]
fn a_busy_port_is_a_sentence() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    refused(&["worker", "--port", &port], &[&format!("port {port}"), "cannot be used", "--port"]);
}

#[test]
fn a_bad_setting_is_a_sentence() {
    for (setting, says) in [
        ("HEARTBEAT_SECS=0", &["HEARTBEAT_SECS", "1 to 60"][..]),
        ("STOCK_SOURCE=real", &["STOCK_SOURCE", "simulated, published"]),
        ("ANONYMOUS=everything", &["ANONYMOUS", "subscribe"]),
        ("HEARTBEAT_SECONDS=5", &["HEARTBEAT_SECONDS is no setting", "HEARTBEAT_SECS"]),
        ("heartbeat_secs=5", &["heartbeat_secs", "upper-case"]),
        ("HEARTBEAT_SECS", &["NAME=VALUE"]),
    ] {
        refused(&["worker", "--port", "0", "--var", setting], says);
    }
}

#[test]
fn a_bad_argument_is_a_sentence() {
    refused(&["worker", "--port", "http"], &["--port"]);
    refused(&["moon"], &["moon", "worker"]);
    refused(&["worker", "--state", "/dev/null/x", "--port", "0"], &["/dev/null/x", "cannot be written"]);
}
