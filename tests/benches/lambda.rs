//! What the function takes: time to start, memory, time to the first byte, and time from one process to another.
//! `cargo xtask bench lambda` builds what this runs, and runs it.
#![allow(clippy::unwrap_used, reason = "a bench fails by a panic")]

use std::fs;
use std::time::{Duration, Instant};

use ssedge_tests::client::{Client, PATIENCE, Stream};
use ssedge_tests::host::{Lambda, POST_BURST, POST_RATE, Platform};
use tokio::time::sleep;

/// Streams, starts and messages that are measured; the p99 of so many is the third worst.
const COUNT: usize = 300;
/// Processes, so that each has been idle for a while when it is asked again.
const PROCESSES: usize = 8;

#[tokio::main]
async fn main() {
    // What `cargo bench` and `cargo test --benches` ask of a test runner.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let platform = Platform { profile: "release", ..Platform::default() };
    starts(platform).await;
    memory(platform).await;
    first_bytes(platform).await;
    deliveries(platform).await;
}

/// From the start of a process to its first question for an invocation, as the emulator sees it.
async fn starts(platform: Platform) {
    let lambda = Lambda::on(platform, &[]).await;
    let mut readers = Vec::new();
    for _ in 0..20 {
        readers.push(open(&lambda.client, "/api/events?tick=60000").await);
    }
    let ready = lambda.journal().into_iter().filter(|line| line["event"] == "ready");
    show("start to first poll", ready.map(|line| Duration::from_micros(line["micros"].as_u64().unwrap())));
}

/// The resident memory of processes with one open stream of a room each, which asks the table.
async fn memory(platform: Platform) {
    let lambda = Lambda::on(platform, &[]).await;
    lambda.client.say("lobby", "hi").await;
    let mut readers = Vec::new();
    for _ in 0..PROCESSES {
        let mut reader = open(&lambda.client, "/api/chat").await;
        reader.plain(1).await;
        readers.push(reader);
    }
    sleep(Duration::from_secs(3)).await;
    let pids = readers.iter().map(|reader| lambda.pid_of(reader.header("x-amzn-RequestId")));
    let mut kilobytes: Vec<_> = pids.map(resident).collect();
    kilobytes.sort_unstable();
    let (least, median, most) = (kilobytes[0], kilobytes[PROCESSES / 2], kilobytes[PROCESSES - 1]);
    println!("memory with one stream: median {median} kB, {least} to {most} kB, of {PROCESSES} processes");
}

/// The resident memory of a process, in kB.
fn resident(pid: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    rss.trim().trim_end_matches(" kB").parse().unwrap()
}

/// From the request to the first byte of the body, in processes that have answered before.
async fn first_bytes(platform: Platform) {
    for (name, path) in [("a room", "/api/chat/lobby"), ("quotes", "/api/stock")] {
        let platform = Platform { concurrency: 64, ..platform };
        let lambda = Lambda::on(platform, &[("STREAM_SECS", "1")]).await;
        lambda.client.say("lobby", "hi").await;
        let mut times = Vec::new();
        for n in 0..COUNT + 4 * PROCESSES {
            let started = Instant::now();
            let mut reader = lambda.client.open(path, &[]).await;
            assert_eq!(reader.status, 200);
            reader.next(PATIENCE).await.unwrap();
            if n >= 4 * PROCESSES {
                times.push(started.elapsed());
            }
            // A second of life for each: about as many processes are taken at a time.
            sleep(Duration::from_millis(1_000 / PROCESSES as u64)).await;
        }
        show(&format!("first byte of a warm stream of {name}"), times.into_iter());
    }
}

/// From the POST to the message in a stream of another process, in a room where somebody speaks five times a second.
async fn deliveries(platform: Platform) {
    // One stream all along.
    let platform = Platform { timeout: 300, ..platform };
    let settings = [("STREAM_SECS", "290"), POST_RATE, POST_BURST];
    let lambda = Lambda::on(platform, &settings).await;
    let mut reader = open(&lambda.client, "/api/chat/lively?history=0").await;
    let mut times = Vec::new();
    for n in 0..COUNT {
        let started = Instant::now();
        let id = lambda.client.say("lively", "hi").await;
        assert_eq!(reader.plain(1).await[0].last_event_id, id.to_string());
        times.push(started.elapsed());
        // Not in step with the polling.
        sleep(Duration::from_millis(100 + (n as u64 * 37) % 200)).await;
    }
    show("delivery across processes in a lively room", times.into_iter());
}

async fn open(client: &Client, path: &str) -> Stream {
    let mut reader = client.open(path, &[]).await;
    assert_eq!(reader.message().await.event, "cursor");
    reader
}

fn show(what: &str, times: impl Iterator<Item = Duration>) {
    let mut millis: Vec<_> = times.map(|time| time.as_secs_f64() * 1_000.0).collect();
    millis.sort_by(f64::total_cmp);
    let at = |percent: usize| millis[(millis.len() * percent / 100).min(millis.len() - 1)];
    println!("{what}: p50 {:.1} ms, p99 {:.1} ms, of {}", at(50), at(99), millis.len());
}
