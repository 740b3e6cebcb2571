//! The function in a local Lambda: the emulator, processes of the function, and a table.

use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use super::{Folder, Host, kill_group, spawn, target};
use crate::client::{Client, PATIENCE};

/// The table's name in all tests.
const TABLE: &str = "ssedge";

/// How the platform is set.
#[derive(Clone, Copy, Debug)]
pub struct Platform {
    /// Processes at most. An account has 1000 unless it asks for more.
    pub concurrency: u32,
    /// Seconds of an invocation.
    pub timeout: u32,
    /// Invocations that a process serves at a time: one on classic Lambda, more on Managed Instances.
    pub share: u32,
    /// Whether a process ends when its reader leaves. On AWS it is not told, and goes on until its stream ends. So does
    /// it here, unless a test opens and leaves so many streams that the processes would take the machine from it.
    pub reap: bool,
    /// The profile in which the function was built.
    pub profile: &'static str,
    /// The stage of a REST API in front of the function, in place of a function URL.
    pub stage: Option<&'static str>,
}

impl Default for Platform {
    fn default() -> Self {
        Self { concurrency: 1000, timeout: 900, share: 1, reap: false, profile: "debug", stage: None }
    }
}

/// A running DynamoDB. Dropping it ends it.
#[derive(Debug)]
pub struct Table {
    child: Child,
    port: u16,
    state: Folder,
}

impl Table {
    /// One that remembers what one before it kept in `state`.
    #[must_use]
    pub fn start(state: &Folder) -> Self {
        let settings = json!({ "port": 0, "state": state.path(), "table": TABLE });
        let mut child = spawn(Command::new(built("debug", "ssedge-table")).stdout(Stdio::piped()), &settings);
        let mut line = String::new();
        let output = child.stdout.as_mut().expect("its output is a pipe");
        BufReader::new(output).read_line(&mut line).expect("a pipe can be read");
        let port = serde_json::from_str::<Value>(&line).ok().and_then(|line| line["port"].as_u64());
        let port = port.and_then(|port| port.try_into().ok()).expect("the table says its port");
        Self { child, port, state: state.clone() }
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// All that it holds, as DynamoDB writes it.
    pub async fn items(&self) -> Vec<Value> {
        let mut page = self.ask("Scan", json!({ "TableName": TABLE, "ConsistentRead": true })).await;
        assert!(page["LastEvaluatedKey"].is_null(), "it holds more than a page: {}", page["Count"]);
        let Value::Array(items) = page["Items"].take() else { panic!("{page}") };
        items
    }

    /// Puts an item into it, as DynamoDB writes it, in place of the one that has its key.
    pub async fn put(&self, item: &Value) {
        self.ask("PutItem", json!({ "TableName": TABLE, "Item": item })).await;
    }

    async fn ask(&self, operation: &str, body: Value) -> Value {
        let target = format!("DynamoDB_20120810.{operation}");
        let headers = [
            ("Content-Type", "application/x-amz-json-1.0"),
            ("X-Amz-Target", &*target),
            ("X-Amz-Date", "20260101T000000Z"),
            // It wants a signature, and takes any.
            (
                "Authorization",
                "AWS4-HMAC-SHA256 Credential=local/20260101/local/dynamodb/aws4_request, SignedHeaders=host, \
                 Signature=local",
            ),
        ];
        let client = Client::new(&format!("http://127.0.0.1:{}", self.port));
        let answer = client.post("/", &headers, &body.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// From now on it takes connections and answers none.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// It answers again, also what it was asked meanwhile.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        killpg(Pid::from_raw(self.child.id().cast_signed()), signal).expect("the table runs");
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        kill_group(&self.child);
        let _ = self.child.wait();
    }
}

/// A host that runs the function, and what it runs it on.
#[derive(Debug)]
pub struct Lambda {
    // Before the table, of which its processes ask until they end.
    host: Host,
    pub table: Arc<Table>,
}

impl Deref for Lambda {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl Lambda {
    /// With these settings and an empty table.
    pub async fn start(vars: &[(&str, &str)]) -> Self {
        Self::on(Platform::default(), vars).await
    }

    /// On this platform.
    pub async fn on(platform: Platform, vars: &[(&str, &str)]) -> Self {
        let table = Arc::new(Table::start(&Folder::new()));
        let port = table.port;
        Self::asking(platform, vars, table, port).await
    }

    /// With this table, which it asks at this port: the table's own, or that of a front.
    pub async fn asking(platform: Platform, vars: &[(&str, &str)], table: Arc<Table>, port: u16) -> Self {
        let endpoint = format!("http://127.0.0.1:{port}");
        // A stream ends by plan in tests that ask for it, and in no other one because its machine is slow.
        let mut environment =
            json!({ "STREAM_SECS": "0", "TABLE_NAME": TABLE, "AWS_ENDPOINT_URL_DYNAMODB": endpoint });
        for (name, value) in vars {
            environment[*name] = (*value).into();
        }
        let Platform { concurrency, timeout, share, reap, profile, stage } = platform;
        let host = Host::start("lambda", &table.state, Stdio::from, |port| {
            let settings = json!({
                "port": port,
                "function": built(profile, "ssedge-lambda"),
                "concurrency": concurrency,
                "timeout": timeout,
                "share": share,
                "reap": reap,
                "stage": stage,
                "environment": environment,
            });
            (Command::new(built(profile, "ssedge-emulator")), settings)
        });
        let mut host = host.await;
        if let Some(stage) = stage {
            host.client = host.client.below(stage);
        }
        Self { host, table }
    }

    /// What the platform did so far.
    #[must_use]
    pub fn journal(&self) -> Vec<Value> {
        let log = self.host.log();
        log.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|line: &Value| line["event"].is_string())
            .collect()
    }

    /// The process that serves, or served, the request of this answer's `x-amzn-RequestId`.
    #[must_use]
    pub fn pid_of(&self, request: &str) -> u32 {
        let journal = self.journal();
        let invoked = journal.iter().find(|line| line["event"] == "invoke" && line["request"] == request);
        let pid = invoked.and_then(|line| line["pid"].as_u64()?.try_into().ok());
        pid.unwrap_or_else(|| panic!("no process took {request}: {journal:?}"))
    }

    /// Waits until the journal has a line for which this holds.
    pub async fn noted(&self, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.journal().into_iter().find(&mut is_it) {
                return line;
            }
            assert!(Instant::now() < deadline, "the journal does not say so: {:?}", self.journal());
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Ends a process as a crash does.
pub fn kill_process(pid: u32) {
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).expect("the process runs");
}

/// A program that `cargo xtask` built in this profile.
#[must_use]
pub fn built(profile: &str, program: &str) -> PathBuf {
    let path = target().join(profile).join(program);
    assert!(path.exists(), "{} is missing: run `cargo xtask test`, which makes it", path.display());
    path
}
