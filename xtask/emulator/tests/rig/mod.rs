//! An emulator under test, and its clients.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long anything may take that is due at once, on a machine that is slow and does much else.
const PATIENCE: Duration = Duration::from_secs(60);
/// Seconds of an invocation, unless a test says otherwise: more than any takes that is not about its end.
pub const TIMEOUT: u64 = 120;

pub struct Emulator {
    pub port: u16,
    child: Child,
    client: Client,
    journal: Arc<Mutex<Vec<Value>>>,
}

/// An answer with the whole of its body.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

/// An answer that is being read.
pub struct Reader {
    pub response: Response,
}

impl Emulator {
    /// With the misbehaving function.
    pub async fn start(settings: Value) -> Self {
        Self::of("function", settings).await
    }

    /// With this example as the function, and [`TIMEOUT`].
    pub async fn of(example: &str, settings: Value) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_ssedge-emulator"));
        let function = program.with_file_name("examples").join(example);
        assert!(
            function.exists(),
            "{} is missing: `cargo test -p ssedge-emulator` builds it",
            function.display()
        );
        let mut told = json!({ "function": function, "timeout": TIMEOUT });
        told.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let mut command = Command::new(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "{told}").unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let journal = Arc::new(Mutex::new(Vec::<Value>::new()));
        let entries = Arc::clone(&journal);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                entries.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        settled(|| !journal.lock().unwrap().is_empty(), "it listens").await;
        let first = journal.lock().unwrap()[0].clone();
        assert_eq!(first["event"], "listening");
        let port = u16::try_from(first["port"].as_u64().unwrap()).unwrap();
        let client = Client::builder().no_proxy().timeout(2 * PATIENCE).build().unwrap();
        Self { port, child, client, journal }
    }

    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    pub fn end_input(&mut self) {
        drop(self.child.stdin.take());
    }

    pub fn wait(&mut self) {
        self.child.wait().unwrap();
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://127.0.0.1:{}{path}", self.port))
    }

    pub async fn open(&self, path: &str) -> Reader {
        Reader { response: self.request(Method::GET, path).send().await.unwrap() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        let response = self.open(path).await.response;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    /// Sends these bytes and reads until the connection is closed.
    pub async fn raw(&self, bytes: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut text = String::new();
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut text))
            .await
            .expect("the connection is closed");
        text.replace('\\', "")
    }

    /// The entries of this kind so far.
    pub fn entries(&self, event: &str) -> Vec<Value> {
        self.journal.lock().unwrap().iter().filter(|entry| entry["event"] == event).cloned().collect()
    }

    /// How the invocation ended, when it has.
    pub async fn end_of(&self, request: &str) -> Value {
        let find = || self.entries("end").into_iter().find(|entry| entry["request"] == request);
        settled(|| find().is_some(), "the invocation ends").await;
        find().unwrap()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.end_input();
        self.wait();
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text))
    }

    pub fn request_id(&self) -> String {
        self.headers["x-amzn-requestid"].to_str().unwrap().to_owned()
    }
}

impl Reader {
    pub fn request_id(&self) -> String {
        self.response.headers()["x-amzn-requestid"].to_str().unwrap().to_owned()
    }

    /// The process that serves the stream, from its first line.
    pub async fn pid(&mut self) -> u64 {
        let line = self.response.chunk().await.unwrap().expect("the stream says something");
        String::from_utf8_lossy(&line).split(' ').next().unwrap().parse().unwrap()
    }

    /// How many lines come until the end; `Err` where there is no clean one.
    pub async fn rest(&mut self) -> Result<usize, String> {
        let mut lines = 0;
        while let Some(chunk) = self.response.chunk().await.map_err(|error| format!("{error:?}"))? {
            lines += chunk.iter().filter(|byte| **byte == b'\n').count();
        }
        Ok(lines)
    }

    /// All of the text, where it has a clean end.
    pub async fn finish(self) -> Result<String, String> {
        self.response.text().await.map_err(|error| format!("{error:?}"))
    }
}

/// Waits until something is true that is about to be.
pub async fn settled(is_so: impl Fn() -> bool, what: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The state of a process, as a letter; `None` where there is no such process (any more).
pub fn state(pid: u64) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let state = stat.rsplit(") ").next()?.chars().next()?;
    (state != 'Z').then_some(state)
}
