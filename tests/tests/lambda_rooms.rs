//! Rooms whose readers and writers are processes of their own, as they are on AWS.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use ssedge_tests::client::{Client, EventSource, PATIENCE, Stream};
use ssedge_tests::host::{Folder, Lambda, Platform, Table};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

/// For everything, on a machine that does much else.
const LIMIT: Duration = Duration::from_secs(60);

async fn open(client: &Client, path: &str) -> Stream {
    let mut reader = client.open(path, &[]).await;
    assert_eq!(reader.message().await.event, "cursor");
    reader
}

/// Twenty readers and eight writers in one room, none of which shares a process with another at the same time.
#[tokio::test]
async fn every_process_sees_one_order() {
    const READERS: usize = 20;
    const WRITERS: usize = 8;
    const EACH: usize = 50;
    /// A writer who comes back must not be starved by those who go on: half of what a channel has to answer.
    const SLOWEST: Duration = Duration::from_secs(5);
    let lambda = Lambda::start(&[("POST_RATE", "1000"), ("POST_BURST", "10000")]).await;
    let mut readers = join_all((0..READERS).map(|_| open(&lambda.client, "/api/chat/busy"))).await;
    let reading: BTreeSet<_> =
        readers.iter().map(|reader| lambda.pid_of(reader.header("x-amzn-RequestId"))).collect();
    assert_eq!(reading.len(), READERS, "each reader has a process of its own");

    let started = Instant::now();
    let writing = join_all((0..WRITERS).map(|writer| {
        let client = lambda.client.clone();
        async move {
            let (mut said, mut slowest) = (Vec::new(), Duration::ZERO);
            for n in 0..EACH {
                let body = format!(r#"{{"user":"writer {writer}","text":"{n}"}}"#);
                let asked = Instant::now();
                let answer = client.post_json("/api/chat/busy", &body).await;
                slowest = slowest.max(asked.elapsed());
                assert_eq!(answer.status, 201, "{answer:?}");
                let id: u64 = answer.json()["id"].as_str().unwrap().parse().unwrap();
                said.push((id, answer.header("x-amzn-RequestId").to_owned()));
            }
            (said, slowest)
        }
    }));
    let (said, slowest): (Vec<_>, Vec<_>) = writing.await.into_iter().unzip();
    let slowest = slowest.into_iter().max().unwrap();
    println!(
        "{} messages of {WRITERS} writers in {:?}, the slowest in {slowest:?}",
        WRITERS * EACH,
        started.elapsed()
    );
    assert!(slowest < SLOWEST, "a message took {slowest:?}");
    for writer in &said {
        assert!(writer.is_sorted_by_key(|(id, _)| *id), "one sender's messages keep their order");
    }
    let mut ids: Vec<u64> = said.iter().flatten().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    assert!(ids.iter().zip(ids[0]..).all(|(id, expected)| *id == expected), "consecutive ids: {ids:?}");
    let writing: BTreeSet<_> = said.iter().flatten().map(|(_, request)| lambda.pid_of(request)).collect();
    assert!(writing.len() >= WRITERS && writing.is_disjoint(&reading), "{writing:?}, {reading:?}");

    let mut orders = BTreeSet::new();
    for reader in &mut readers {
        let messages = reader.plain(WRITERS * EACH).await;
        assert!(messages.iter().zip(&ids).all(|(message, id)| message.last_event_id == id.to_string()));
        orders.insert(messages.into_iter().map(|message| message.data).collect::<Vec<_>>());
    }
    assert_eq!(orders.len(), 1, "all readers see the same");
}

/// A reader that comes back as a browser does, while its streams end every two seconds.
#[tokio::test]
async fn rotation_loses_nothing_and_repeats_nothing() {
    const SPAN: Duration = Duration::from_secs(30);
    let lambda = Lambda::start(&[("STREAM_SECS", "2"), ("POST_RATE", "1000"), ("POST_BURST", "10000")]).await;
    let mut readers: Vec<_> =
        (0..3).map(|_| EventSource::new(&lambda.client, "/api/chat/turning?history=0")).collect();
    let said = Arc::new(AtomicUsize::new(0));
    for reader in &mut readers {
        assert_eq!(reader.next(PATIENCE).await.unwrap().event, "cursor");
    }
    let writing = {
        let (client, said) = (lambda.client.clone(), said.clone());
        tokio::spawn(async move {
            let started = Instant::now();
            let mut ids = Vec::new();
            while started.elapsed() < SPAN {
                ids.push(client.say("turning", &said.fetch_add(1, Ordering::Relaxed).to_string()).await);
                sleep(Duration::from_millis(40)).await;
            }
            ids
        })
    };
    let reading = readers.into_iter().map(|mut reader| {
        let said = said.clone();
        async move {
            let started = Instant::now();
            let mut heard = Vec::new();
            while started.elapsed() < SPAN || heard.len() < said.load(Ordering::Relaxed) {
                assert!(started.elapsed() < LIMIT, "{} of {said:?}", heard.len());
                match reader.next(Duration::from_millis(500)).await {
                    Some(message) if message.event == "message" => heard.push(message.last_event_id),
                    Some(message) => assert_eq!(message.event, "cursor", "{message:?}"),
                    None => {}
                }
            }
            (heard, reader.connects())
        }
    });
    let read = join_all(reading).await;
    let ids: Vec<_> = writing.await.unwrap().iter().map(u64::to_string).collect();
    for (heard, connects) in read {
        assert!(connects >= 9, "only {connects} streams in {SPAN:?}");
        assert_eq!(heard, ids);
    }
}

/// Passes on what is sent to a table, and counts the questions.
async fn counting(table: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    tokio::spawn(async move {
        while let Ok((function, _)) = listener.accept().await {
            let table = TcpStream::connect(("127.0.0.1", table)).await.unwrap();
            let (mut from_function, mut to_function) = function.into_split();
            let (mut from_table, mut to_table) = table.into_split();
            let counter = counter.clone();
            tokio::spawn(async move { tokio::io::copy(&mut from_table, &mut to_function).await });
            tokio::spawn(async move {
                let mut buffer = vec![0; 65_536];
                while let Ok(n @ 1..) = from_function.read(&mut buffer).await {
                    let questions =
                        buffer[..n].windows(19).filter(|bytes| bytes == b"POST / HTTP/1.1\r\nho").count();
                    let questions = questions.max(usize::from(buffer[..n].starts_with(b"POST / ")));
                    counter.fetch_add(questions, Ordering::Relaxed);
                    if to_table.write_all(&buffer[..n]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, count)
}

/// On Managed Instances one process serves many streams, and they do not cost as many questions.
#[tokio::test]
async fn the_streams_of_a_process_share_one_poll() {
    const READERS: usize = 10;
    let table = Table::start(&Folder::new());
    let (port, questions) = counting(table.port()).await;
    let platform = Platform { concurrency: 1, share: 16, ..Platform::default() };
    let vars = [("POLL_MIN_MS", "100"), ("POLL_MAX_MS", "100")];
    let endpoint = format!("http://127.0.0.1:{port}");
    let lambda = Lambda::asking(platform, &vars, table, &endpoint).await;
    let first = lambda.client.say("shared", "first").await;
    let mut readers =
        join_all((0..READERS).map(|_| open(&lambda.client, "/api/chat/shared?history=0"))).await;
    let pids: BTreeSet<_> =
        readers.iter().map(|reader| lambda.pid_of(reader.header("x-amzn-RequestId"))).collect();
    assert_eq!(pids.len(), 1, "one process serves them all");

    let before = questions.load(Ordering::Relaxed);
    sleep(Duration::from_secs(3)).await;
    let asked = questions.load(Ordering::Relaxed) - before;
    assert!(
        (10..=40).contains(&asked),
        "{asked} questions of {READERS} streams in 3 s, a tenth of a second apart"
    );
    let second = lambda.client.say("shared", "second").await;
    assert_eq!(second, first + 1);
    for reader in &mut readers {
        assert_eq!(reader.plain(1).await[0].last_event_id, second.to_string());
    }
}
