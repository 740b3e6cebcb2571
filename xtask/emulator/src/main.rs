//! A local AWS Lambda with a function URL, close enough to the real one to show what would fail there.
//!
//! The first line of its standard input is JSON:
//!
//! ```json
//! {"port": 9000, "function": "path/to/binary", "concurrency": 8, "timeout": 900, "share": 1,
//!  "reap": false, "environment": {"NAME": "value"}, "build": "a name"}
//! ```
//!
//! Only `function` must be there; the numbers above are the defaults, with any free port for the port. By the name of a
//! `build` a page loads itself [again][reload]. It is not an argument, since the environment of a function has secrets
//! and a list of processes shows arguments. The emulator listens on 127.0.0.1 and, if the machine has it, ::1, and ends, with every process of the function, when its standard input does, or on SIGTERM and
//! SIGINT.
//! Its standard output is a [journal]; what the function prints goes to its standard error.
//!
//! # What is as on Lambda
//!
//! | what | where |
//! |---|---|
//! | One invocation at a time for each process, until the end of the stream, not of its head; processes are started on demand and reused, the last used first ([documented](https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html), but for the order) | [pool] |
//! | A request that finds all of them busy gets a 429 at once | [pool], [front] |
//! | A process that waits for an event is stopped; nothing runs in the background | [process] |
//! | The time limit is real: the process is killed and the answer is cut, or is a 502 ([documented](https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html) but for what the client sees) | [invocation] |
//! | A client that leaves is not told to the function, which stays busy to its end | [invocation] |
//! | An error in mid-stream, or the death of the process, cuts the answer; it never ends cleanly | [relay], [body] |
//! | A process that fails in its init is not started again before the next request | [invocation] |
//! | The event, its limits and its base64 | [event] |
//! | The Runtime API, with streamed and buffered answers | [runtime_api], [prelude], [relay] |
//! | Several invocations for each process (`share`), as with [Managed Instances](https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances-execution-environment.html): no freezing, and a time limit that fails one invocation and ends no process | [process], [invocation] |
//!
//! # What is not
//!
//! The rate of 2 MB/s after the first 6 MB; limits of memory and CPU; extensions; IAM and CORS of the URL; HTTP/2 and
//! TLS; `x-amzn-remapped-` headers; small first chunks that some edges hold back; a second try of an init that takes
//! too long; the end of idle processes.
//!
//! # What can be asked for that Lambda does not do
//!
//! With `reap`, the process of a client that leaves in mid-stream is killed. On Lambda its invocation goes on until
//! the function ends it, and so it does here without `reap`. A test that opens and leaves streams by the hundred would
//! else have as many processes that go on working on one machine.
//!
//! # Latency
//!
//! Both servers set `TCP_NODELAY`, and the emulator adds less than a millisecond. `lambda_runtime` 1.5 leaves Nagle's
//! algorithm on and writes the head of an answer before its first chunk, so that chunk waits until the head is
//! acknowledged: for up to 44 ms, if that is left to Linux. How soon Lambda acknowledges is not documented; the emulator
//! does so at once on Linux, so that what is measured with it is the function.
//!
//! # When the emulator is killed
//!
//! Its processes are in its process group, so its starter can end them with it. Without that, those that run lose
//! their Runtime API and end by themselves; those that are stopped get a SIGHUP from the kernel if the emulator led
//! its group, as a group that loses its last tie to a session gets one when a member is stopped.
#![allow(rustdoc::private_intra_doc_links, reason = "a program has no public items")]

mod body;
mod environment;
mod event;
mod front;
mod invocation;
mod journal;
mod pool;
mod prelude;
mod process;
mod relay;
mod reload;
mod runtime_api;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};

use crate::environment::Function;
use crate::journal::{Entry, Journal};
use crate::pool::Pool;
use crate::reload::Build;

/// The first line of standard input.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    port: u16,
    function: PathBuf,
    #[serde(default = "Settings::concurrency")]
    concurrency: usize,
    /// Seconds.
    #[serde(default = "Settings::timeout")]
    timeout: u64,
    #[serde(default = "Settings::share")]
    share: usize,
    #[serde(default)]
    reap: bool,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    build: Option<String>,
}

impl Settings {
    const fn concurrency() -> usize {
        8
    }

    /// The most that Lambda takes.
    const fn timeout() -> u64 {
        900
    }

    const fn share() -> usize {
        1
    }

    fn function(self) -> Result<Function> {
        ensure!(self.concurrency > 0 && self.timeout > 0 && self.share > 0, "the numbers start at 1");
        ensure!(
            !(self.reap && self.share > 1),
            "to reap a process that is shared would end other invocations"
        );
        let program = self.function.canonicalize();
        let program =
            program.with_context(|| format!("there is no function at {}", self.function.display()))?;
        let folder = program.parent().context("a function is a file")?.to_owned();
        let timeout = Duration::from_secs(self.timeout);
        let Self { concurrency, share, reap, environment, .. } = self;
        Ok(Function { program, folder, concurrency, share, reap, timeout, environment })
    }
}

fn main() -> Result<()> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("cannot read standard input")?;
    let settings: Settings = serde_json::from_str(&line)
        .context("the first line of standard input is JSON: {\"function\": \"path\", …}")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, run(settings))
}

async fn run(settings: Settings) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let input = end_of_input()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port)).await;
    let listener = listener.with_context(|| format!("cannot listen on port {}", settings.port))?;
    let port = listener.local_addr()?.port();
    let journal = Journal::start()?;
    let build = settings.build.clone().map(Build);
    let pool = Rc::new(Pool::new(settings.function()?, journal.clone()));
    // A browser takes either address of this machine for `localhost`.
    if let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
        spawn_local(front::serve(Rc::clone(&pool), listener, port, build.clone()));
    }
    journal.log(Entry::Listening { port });
    tokio::select! {
        () = front::serve(Rc::clone(&pool), listener, port, build) => {}
        _ = input => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    pool.end().await;
    Ok(())
}

/// Resolves when standard input is at its end. A thread waits for it: tokio's would keep the program from ending.
fn end_of_input() -> Result<oneshot::Receiver<()>> {
    let (sender, end) = oneshot::channel();
    let read = move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = sender.send(());
    };
    thread::Builder::new().name("input".to_owned()).spawn(read).context("cannot start a thread")?;
    Ok(end)
}

/// The time of day, to the millisecond.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis())
        .ok()
        .and_then(|millis| Timestamp::from_millisecond(millis).ok())
        .unwrap_or_default()
}
