//! Many readers of one room, in real workerd.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::fs;
use std::time::Duration;

use futures::future::join_all;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ssedge_tests::client::{Client, Stream};
use ssedge_tests::host::{Host, POST_BURST, POST_RATE, heavy};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

/// Connections that are opened at once.
const ABREAST: usize = 50;
/// From one message to the next, on a machine that is slow and does much else.
const LIMIT: Duration = Duration::from_secs(120);

/// A reader has a socket in this process, two in the server in front and one in workerd; the rest is for what else
/// they have open. The limit goes on to what this process starts.
fn allow_files(readers: usize) {
    let needed = 2 * readers as u64 + 300;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert!(hard >= needed, "{readers} readers need {needed} open files, and `ulimit -Hn` is {hard}");
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(needed), hard).unwrap();
}

async fn open(client: &Client, readers: usize) -> Vec<Stream> {
    let mut open = Vec::new();
    while open.len() < readers {
        let some = (open.len()..readers).take(ABREAST).map(|_| client.open("/api/chat/lobby", &[]));
        open.extend(join_all(some).await);
    }
    for reader in &mut open {
        assert_eq!(reader.message().await.event, "cursor");
    }
    open
}

/// Lets every reader hear so many messages, and checks that they are a run without a hole.
fn listen(readers: Vec<Stream>, messages: u64) -> JoinSet<u64> {
    let mut listening = JoinSet::new();
    for mut reader in readers {
        listening.spawn(async move {
            let mut first = None;
            for n in 0..messages {
                let message = reader.next_message(LIMIT).await.unwrap_or_else(|end| panic!("{end:?} at {n}"));
                let id: u64 = message.last_event_id.parse().unwrap();
                assert_eq!((message.event.as_str(), id), ("message", *first.get_or_insert(id) + n));
            }
            first.unwrap()
        });
    }
    listening
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_readers_get_every_message_in_order() {
    const READERS: usize = 1_000;
    const MESSAGES: u64 = 100;
    allow_files(READERS);
    let _turn = heavy().await;
    let host = Host::worker(&[POST_RATE, POST_BURST]).await;
    let started = Instant::now();
    let readers = open(&host.client, READERS).await;
    println!("{READERS} readers connected in {:?}", started.elapsed());
    let listening = listen(readers, MESSAGES);
    let started = Instant::now();
    let mut ids = Vec::new();
    for _ in 0..MESSAGES / 4 {
        ids.extend(join_all((0..4).map(|_| host.client.say("lobby", "to a thousand"))).await);
    }
    let posted = started.elapsed();
    let firsts = listening.join_all().await;
    let took = started.elapsed();
    let rate = (READERS as u64 * MESSAGES) as f64 / took.as_secs_f64();
    println!("{MESSAGES} messages posted in {posted:?}, delivered in {took:?}: {rate:.0} deliveries/s");
    ids.sort_unstable();
    assert!(ids.iter().zip(ids[0]..).all(|(id, expected)| *id == expected), "consecutive ids");
    assert!(firsts.iter().all(|first| *first == ids[0]), "all readers start with the first message");
}

/// Milliseconds of processor time that the host's workerd has taken, where the system tells.
fn workerd_cpu(host: &Host) -> Option<u64> {
    let pid = host.pid()?;
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let ticks = |pid: &str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
        let mut next = || fields.next()?.parse::<u64>().ok();
        Some(next()? + next()?)
    };
    children.split_whitespace().map(ticks).sum::<Option<u64>>().map(|ticks| ticks * 10)
}

/// `cargo test -p ssedge-tests --test worker -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures, and proves nothing"]
async fn the_cost_of_a_delivery() {
    const READERS: usize = 500;
    const MESSAGES: u64 = 300;
    allow_files(READERS);
    let host = Host::worker(&[POST_RATE, POST_BURST]).await;
    let text = "x".repeat(20);
    for per_second in [20, 1_000] {
        let listening = listen(open(&host.client, READERS).await, MESSAGES);
        let (before, started) = (workerd_cpu(&host), Instant::now());
        let mut pace = interval(Duration::from_millis(1_000 / per_second));
        for _ in 0..MESSAGES {
            pace.tick().await;
            host.client.say("lobby", &text).await;
        }
        listening.join_all().await;
        let (took, deliveries) = (started.elapsed(), READERS as u64 * MESSAGES);
        let cpu = workerd_cpu(&host).zip(before).map(|(after, before)| (after - before) * 1_000 / deliveries);
        println!(
            "{READERS} readers, at most {per_second} messages/s: {:.0} deliveries/s, {cpu:?} µs of workerd's time each",
            deliveries as f64 / took.as_secs_f64()
        );
    }
}
