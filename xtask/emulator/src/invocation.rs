//! One invocation, from a request to the end of the function's answer.
//!
//! It is a task of its own: a client that leaves ends nothing, unless the emulator was told to `reap`. AWS documents that
//! [streamed responses are not interrupted](https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html)
//! when the connection of the client breaks, and that the whole duration is billed.

use std::future::pending;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::body::Client;
use crate::clock::now;
use crate::journal::{Entry, Outcome};
use crate::pool::{Lease, Pool};
use crate::process::{Answer, Handout, Process};
use crate::relay::{Failed, Relayed, relay};

/// How long a process may take until its first poll
/// ([documented](https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html)). Lambda then tries
/// once more within the function's time limit; the emulator does not.
const INIT: Duration = Duration::from_secs(10);
/// The same where processes are shared, if the function's time limit is not more
/// ([documented](https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances-execution-environment.html)).
const SHARED_INIT: Duration = Duration::from_secs(130);
/// Between the end of a process and the end of its connections, or the other way around.
const GRACE: Duration = Duration::from_millis(100);

/// A request that was given a process.
#[derive(Debug)]
pub struct Invocation {
    pub request_id: String,
    pub trace_id: String,
    pub event: Bytes,
}

/// What came of an attempt to hand the event out.
enum Attempt {
    Ended(Outcome, Relayed),
    /// A process that had been frozen turned out to be dead: it never saw the event.
    NotTaken,
}

/// Runs the invocation; the answer goes to `client`.
pub async fn run(pool: Rc<Pool>, lease: Lease, invocation: Invocation, client: Client) {
    let mut lease = lease;
    loop {
        let process = Rc::clone(&lease.process);
        let was_warm = process.is_ready();
        let init = if pool.function.share > 1 { SHARED_INIT.max(pool.function.timeout) } else { INIT };
        let mut begun = Instant::now();
        let (outcome, relayed) = if process.ready(init).await {
            begun = Instant::now();
            match attempt(&pool, &process, &invocation, &client).await {
                // One start for each request, so only a process that was there before is replaced.
                Attempt::NotTaken if was_warm => match pool.acquire() {
                    Ok(another) => {
                        lease = another;
                        continue;
                    }
                    Err(_) => (Outcome::Crash, Relayed::Nothing),
                },
                Attempt::NotTaken => (Outcome::Crash, Relayed::Nothing),
                Attempt::Ended(outcome, relayed) => (outcome, relayed),
            }
        } else {
            process.kill();
            (Outcome::Error, Relayed::Nothing)
        };
        log_end(&pool, &process, &invocation, outcome, begun);
        // First the process is free, then the client hears of the end: what it asks next finds room.
        drop(lease);
        match relayed {
            Relayed::Stream => client.end().await,
            Relayed::Whole(response) => client.answer(response),
            Relayed::Nothing => {}
        }
        return;
    }
}

fn log_end(pool: &Pool, process: &Process, invocation: &Invocation, outcome: Outcome, begun: Instant) {
    let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let request = invocation.request_id.clone();
    pool.journal.log(Entry::End { pid: process.pid(), request, outcome, millis });
}

/// Hands the event to a process that is ready, and relays its answer until the deadline.
async fn attempt(pool: &Pool, process: &Process, invocation: &Invocation, client: &Client) -> Attempt {
    let limit = pool.function.timeout;
    let (answer, answered) = oneshot::channel();
    process.submit(Handout {
        request_id: invocation.request_id.clone(),
        trace_id: invocation.trace_id.clone(),
        event: invocation.event.clone(),
        deadline: now().as_millisecond() + i64::try_from(limit.as_millis()).unwrap_or(i64::MAX / 2),
        answer,
    });
    let serve = serve(process, &invocation.request_id, answered, client);
    tokio::pin!(serve);
    let left = async {
        match pool.function.reap {
            true => client.left().await,
            false => pending().await,
        }
    };
    tokio::select! {
        biased;
        attempt = timeout(limit, &mut serve) => if let Ok(attempt) = attempt {
            return attempt;
        },
        () = left => {
            process.kill();
            return Attempt::Ended(Outcome::Reaped, Relayed::Nothing);
        }
    }
    client.cut();
    if pool.function.share > 1 {
        // Where a process is shared, Lambda fails this invocation and lets the code go on, since to end the process
        // would end others (documented). So it stays busy until it is done.
        serve.await;
    } else {
        process.kill();
    }
    Attempt::Ended(Outcome::Timeout, Relayed::Nothing)
}

async fn serve(
    process: &Process,
    request_id: &str,
    mut answered: oneshot::Receiver<Answer>,
    client: &Client,
) -> Attempt {
    let answer = tokio::select! {
        biased;
        answer = &mut answered => answer.ok(),
        // It may have answered just before it ended.
        () = process.gone() => timeout(GRACE, &mut answered).await.ok().and_then(Result::ok),
    };
    match answer {
        Some(Answer::Response { headers, body, received }) => match relay(&headers, body, client).await {
            Ok(relayed) => {
                let _ = received.send(());
                Attempt::Ended(Outcome::Complete, relayed)
            }
            Err(failed) => {
                client.cut();
                drop(received);
                let broken = matches!(failed, Failed::Broken);
                let crashed = broken && timeout(GRACE, process.gone()).await.is_ok();
                let outcome = if crashed { Outcome::Crash } else { Outcome::Error };
                Attempt::Ended(outcome, Relayed::Nothing)
            }
        },
        Some(Answer::Error) => Attempt::Ended(Outcome::Error, Relayed::Nothing),
        None if process.is_running(request_id) => Attempt::Ended(Outcome::Crash, Relayed::Nothing),
        None => Attempt::NotTaken,
    }
}
