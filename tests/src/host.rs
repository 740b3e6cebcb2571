//! A host under test: a program that serves the contract on a port of this machine.

#![allow(clippy::missing_panics_doc, reason = "a host that cannot be started is a failed test")]

mod front;
mod lambda;
mod rig;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::num::NonZero;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::client::Client;

pub use front::Front;
pub use lambda::{Lambda, Platform, Table, built, kill_process};
pub use rig::{Rig, Sockets};

/// What a host is told whose senders, which are the tests, post as fast as they can: more a second than it could take.
pub const POST_RATE: (&str, &str) = ("POST_RATE", "1000");
/// And as many at once as any test says.
pub const POST_BURST: (&str, &str) = ("POST_BURST", "10000");

/// How long a host may take to start while other tests run.
const START: Duration = Duration::from_secs(120);
/// How long it may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// The processors of this machine.
fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Hosts that start at the same time: each keeps a processor busy until it answers.
static STARTING: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(cores()));
/// Turns of each processor. A statement of the contract takes one, and waits for its host for about half of the time.
const TURNS_PER_CORE: usize = 2;
/// Turns that a test takes which keeps processors busy: as much as some statements.
const HEAVY: u32 = 2;

static TURNS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(TURNS_PER_CORE * cores())));

/// The right to keep the processors busy, for as long as it is held.
///
/// Tests that wait for a time to pass run all at once. Those that work take turns, so that what a host does in time on a
/// machine of its own is done in time beside other tests, too: a channel that cannot answer within some seconds says so
/// by a 503, whatever the reason.
pub type Turn = OwnedSemaphorePermit;

/// Waits for a turn.
pub async fn turn() -> Turn {
    TURNS.clone().acquire_owned().await.expect("it is never closed")
}

/// Waits for the turn of a test that keeps processors busy for long.
pub async fn heavy() -> Turn {
    TURNS.clone().acquire_many_owned(HEAVY).await.expect("it is never closed")
}

/// Where this checkout is.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent folder")
}

/// Where cargo builds this checkout.
#[must_use]
pub fn target() -> PathBuf {
    if let Some(target) = std::env::var_os("CARGO_TARGET_DIR") {
        return root().join(target);
    }
    let test = std::env::current_exe().expect("a process has a program");
    // Tests are in `{target}/{profile}/deps`.
    test.ancestors().nth(3).expect("a test has a folder").to_owned()
}

/// A folder of its own in the system's place for temporary files, removed with its last clone.
#[derive(Clone, Debug)]
pub struct Folder(Arc<Owned>);

#[derive(Debug)]
struct Owned(PathBuf);

impl Folder {
    /// A new and empty one.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ssedge-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a temporary folder can be made");
        Self(Arc::new(Owned(path)))
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running host. Dropping it ends it and all that it started; when a test has failed, what it logged is shown.
#[derive(Debug)]
pub struct Host {
    /// Its name in `/healthz`.
    pub name: &'static str,
    /// Asks it.
    pub client: Client,
    port: u16,
    state: Folder,
    log: PathBuf,
    _logs: Folder,
    child: Option<Child>,
}

impl Host {
    /// The Worker with these settings and a memory of its own.
    pub async fn worker(vars: &[(&str, &str)]) -> Self {
        Self::worker_with(vars, &Folder::new()).await
    }

    /// The Worker with these settings, which remembers what a Worker before it kept in `state`.
    pub async fn worker_with(vars: &[(&str, &str)], state: &Folder) -> Self {
        Self::serve("xtask/serve.mjs", Stdio::from, vars, state).await
    }

    /// The Worker without settings, as the wrangler.toml of another checkout describes it: with its `[vars]`, if it is to
    /// be `configured` by them.
    pub async fn worker_of(checkout: &Path, configured: bool) -> Self {
        let state = Folder::new();
        Self::start("worker", &state, Stdio::from, |port| {
            let mut node = node("xtask/serve.mjs");
            node.current_dir(checkout);
            (node, json!({ "port": port, "state": state.path(), "configured": configured }))
        })
        .await
    }

    /// The Worker in workerd, started by this script.
    async fn serve(script: &str, output: fn(File) -> Stdio, vars: &[(&str, &str)], state: &Folder) -> Self {
        for path in ["node_modules/.bin/node", "handlers/worker/build/index.js", "web/dist/index.html"] {
            assert!(root().join(path).exists(), "{path} is missing: run `cargo xtask test`, which makes it");
        }
        let vars: serde_json::Map<_, _> =
            vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        Self::start("worker", state, output, |port| {
            (node(script), json!({ "port": port, "state": state.path(), "vars": vars }))
        })
        .await
    }

    /// Starts what `program` says, and tells it what it says, on a port that was free a moment ago, until it answers.
    ///
    /// Where it answers on its standard output, that is a pipe; elsewhere it is the log, as its errors are.
    async fn start(
        name: &'static str,
        state: &Folder,
        output: fn(File) -> Stdio,
        program: impl Fn(u16) -> (Command, Value),
    ) -> Self {
        let _starting = STARTING.acquire().await.expect("it is never closed");
        let logs = Folder::new();
        let mut failures = String::new();
        for attempt in 0..3 {
            let port = free_port();
            let log = logs.path().join(format!("{attempt}.log"));
            let file = File::create(&log).expect("a log can be written");
            let (mut command, settings) = program(port);
            command.stdout(output(file.try_clone().expect("a file can be shared"))).stderr(file);
            let child = spawn(&mut command, &settings);
            let client = Client::new(&format!("http://127.0.0.1:{port}"));
            let (state, _logs) = (state.clone(), logs.clone());
            let mut host = Self { name, client, port, state, log, _logs, child: Some(child) };
            if host.answers().await {
                return host;
            }
            let _ = write!(failures, "{}", host.log());
        }
        panic!("{name} does not start:\n{failures}");
    }

    /// Waits until it takes requests, whatever it answers; `false` where it ended instead.
    async fn answers(&mut self) -> bool {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None))) {
                return false;
            }
            if self.client.try_open("/healthz", &[]).await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        panic!("{} does not answer in {START:?}:\n{}", self.name, self.log());
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What it keeps; a host that is started with it later remembers it.
    #[must_use]
    pub fn state(&self) -> Folder {
        self.state.clone()
    }

    /// The process that was started, which leads the group of all that it started itself.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// All that it printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it and waits until it has.
    pub fn stop(mut self) {
        self.end();
    }

    /// Ends it as a power cut does.
    pub fn kill(mut self) {
        if let Some(mut child) = self.child.take() {
            kill_group(&child);
            let _ = child.wait();
        }
    }

    fn end(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        drop(child.stdin.take());
        let deadline = Instant::now() + GRACE;
        while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        // Also where the leader ended in time: what it started is to end with it.
        kill_group(&child);
        let _ = child.wait();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.end();
        if thread::panicking() {
            eprintln!("--- the log of {}:\n{}", self.name, self.log());
        }
    }
}

/// A script in Node 24.
fn node(script: &str) -> Command {
    let mut node = Command::new(root().join("node_modules/.bin/node"));
    node.arg(script).current_dir(root());
    node
}

/// Starts a program in a group of its own, with the settings as the first line of its input. That input ends with
/// this process, however it ends, and with its input the program does.
fn spawn(command: &mut Command, settings: &Value) -> Child {
    let child = command.stdin(Stdio::piped()).process_group(0).spawn();
    let child = child.unwrap_or_else(|e| panic!("{command:?} cannot be started: {e}"));
    // One that has ended already says why in its log.
    let _ = writeln!(child.stdin.as_ref().expect("its input is a pipe"), "{settings}");
    child
}

fn kill_group(leader: &Child) {
    let _ = killpg(Pid::from_raw(leader.id().cast_signed()), Signal::SIGKILL);
}

/// A port that nobody listens on now, nor is likely to soon.
///
/// A host takes seconds to start. A port that the system gives to whoever asks for any, as processes of the emulated
/// Lambda do for their runtime, might be another's by then, who would be taken for the host. So it is below those that
/// Linux and macOS give, and processes of tests begin to look at places of their own.
#[must_use]
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const PORTS: u32 = 12_000;
    /// Ports that a process of tests asks for, about.
    const EACH: u32 = 97;
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let from = std::process::id().wrapping_mul(EACH);
    for _ in 0..PORTS {
        let nth = from.wrapping_add(ASKED.fetch_add(1, Ordering::Relaxed)) % PORTS;
        let port = FIRST + u16::try_from(nth).expect("ports are few");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("this machine has no free port from {FIRST} on");
}
