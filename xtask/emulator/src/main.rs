//! A local AWS Lambda with a function URL: what `cargo xtask dev lambda` and the tests run the function on.
//!
//! It does what a stream notices of Lambda, where AWS documents it or it was seen:
//!
//! - One process serves one invocation at a time, until its response has ended ([environments]). Processes are started
//!   on demand, up to `concurrency`. One request more is answered by 429 at once ([scaling]). With `share` over 1 a
//!   process serves as many, as on [Managed Instances].
//! - An invocation has a deadline, told by `Lambda-Runtime-Deadline-Ms` ([runtime API]). At that the process is
//!   killed and the response is cut.
//! - That the reader left is *not* told to the function, which streams and is billed to its end ([streaming]).
//! - A request becomes an event of [format 2.0]. A body that is no text comes in base64.
//! - A response is streamed behind a JSON prelude and eight zero bytes. Trailers with an error ([custom runtimes]), the
//!   end of the process and a broken body cut it, so that the client does not take it for whole.
//! - Between invocations a process stands still ([environments]).
//! - A response has at most 200 MB ([streaming]).
//!
//! It does not: slow a response down to 2 MB/s after the first 6 MB, count requests per second, keep 429 and 502 bodies
//! word for word, run extensions, SnapStart or layers, limit memory, check IAM.
//!
//! Its one argument is JSON, [`Arguments`]. It ends when its standard input does. Its standard output is a journal, one
//! JSON object per line ([`journal`]); what the processes print goes to its standard error.
//!
//! [environments]: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
//! [scaling]: https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
//! [Managed Instances]: https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances.html
//! [runtime API]: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
//! [streaming]: https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
//! [format 2.0]: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
//! [custom runtimes]: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html

mod environment;
mod event;
mod front;
mod invocation;
mod journal;
mod pool;
mod prelude;
mod runtime_api;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt, stdin};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use crate::pool::Pool;

/// What it is to run, and how.
#[derive(Clone, Debug, Deserialize)]
pub struct Arguments {
    /// On 127.0.0.1; 0 takes any that is free.
    port: u16,
    /// The function's program.
    function: PathBuf,
    /// Processes at most.
    concurrency: usize,
    /// Seconds of an invocation.
    timeout: u64,
    /// Invocations that a process serves at a time.
    #[serde(default = "one")]
    share: usize,
    /// Settings of the function.
    #[serde(default)]
    environment: BTreeMap<String, String>,
}

const fn one() -> usize {
    1
}

impl Arguments {
    const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let argument =
        std::env::args().nth(1).context("the one argument is JSON, see the crate's documentation")?;
    let arguments: Arguments =
        serde_json::from_str(&argument).context("the argument is not as documented")?;
    LocalSet::new().run_until(serve(arguments)).await
}

async fn serve(arguments: Arguments) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await;
    let listener = listener.with_context(|| format!("port {} cannot be used", arguments.port))?;
    journal::note(&json!({ "event": "listening", "port": listener.local_addr()?.port() }));
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let pool = Rc::new(Pool::new(arguments));
    let mut input = stdin();
    let (mut ended, mut buffer) = (false, [0; 64]);
    tokio::select! {
        result = front::serve(listener, pool.clone()) => result?,
        () = async { while !ended { ended = !matches!(input.read(&mut buffer).await, Ok(1..)); } } => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    pool.kill_all();
    // A read of the standard input cannot be given up, and would keep the runtime.
    std::process::exit(0)
}
