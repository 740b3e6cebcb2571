//! What only holds if processes agree by their table, and what a table must not be filled with.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use ssedge::limits::IDEMPOTENCY_WINDOW;
use ssedge_tests::client::{Answer, End, PATIENCE, TRIES};
use ssedge_tests::host::{Folder, Front, Lambda, POST_BURST, POST_RATE, Platform, Table, heavy};
use tokio::time::Instant;

/// Fewer would not show much.
const PROCESSES: usize = 8;

/// The processes that gave these answers.
async fn processes(lambda: &Lambda, answers: &[Answer]) -> BTreeSet<u64> {
    let mut pids = BTreeSet::new();
    for answer in answers {
        let request = answer.header("x-amzn-RequestId");
        let line = lambda.noted(|line| line["event"] == "invoke" && line["request"] == request).await;
        pids.insert(line["pid"].as_u64().unwrap());
    }
    pids
}

/// One key, twenty times at once, each in another process: whoever stores it is alone, and all of them are told the same.
#[tokio::test]
async fn a_key_is_one_message_whatever_process_takes_it() {
    const TIMES: usize = 20;
    let _turn = heavy().await;
    let lambda = Lambda::start(&[POST_RATE, POST_BURST]).await;
    let client = &lambda.client;
    // In the first round the processes start, and are late by that; in the others they are there.
    for round in 0..6 {
        let path = format!("/api/chat/once-{round}");
        let key = format!("key-{round}");
        let post = || async {
            let headers = [("Content-Type", "application/json"), ("Idempotency-Key", &*key)];
            client.post(&path, &headers, r#"{"user":"ada","text":"once"}"#).await
        };
        let answers = join_all((0..TIMES).map(|_| post())).await;
        let pids = processes(&lambda, &answers).await;
        assert!(pids.len() >= PROCESSES, "{TIMES} posts in {} processes", pids.len());

        let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [vec![200; TIMES - 1], vec![201]].concat());
        let bodies: BTreeSet<_> = answers.iter().map(|answer| &answer.text).collect();
        assert_eq!(bodies.len(), 1, "all are told of the same message: {bodies:?}");
        for answer in &answers {
            let replayed = if answer.status == 200 { "true" } else { "" };
            assert_eq!(answer.header("Idempotent-Replayed"), replayed, "{answer:?}");
        }
        let stored = client.get_json(&path).await.json();
        assert_eq!(stored["messages"].as_array().unwrap().len(), 1, "{stored}");
    }
}

/// What the table remembers is so much older: the messages of all rooms, and who claimed a key.
async fn pass(table: &Table, time: Duration) {
    for mut item in table.items().await {
        let is_key = item["channel"]["S"].as_str().unwrap().starts_with("key ");
        let then = &mut item[if is_key { "value" } else { "time" }]["N"];
        let Some(ms) = then.as_str().and_then(|ms| ms.parse::<u128>().ok()) else { continue };
        *then = (ms - time.as_millis()).to_string().into();
        table.put(&item).await;
    }
}

/// The one message of posts by one key, of which one stored it.
#[track_caller]
fn stored_once(mut answers: Vec<(u16, String)>) -> String {
    answers.sort_unstable();
    let statuses: Vec<_> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [vec![200; answers.len() - 1], vec![201]].concat(), "{answers:?}");
    let (_, text) = answers.swap_remove(0);
    assert!(answers.iter().all(|(_, other)| *other == text), "{answers:?}");
    text
}

/// A key whose first try came to nothing, and whose message is stored when its time is almost over. It is the message
/// from whose time on the key is remembered.
#[tokio::test]
async fn a_key_is_remembered_from_its_message_on() {
    const TIMES: usize = 20;
    const LATE: Duration = Duration::from_secs(570);
    let _turn = heavy().await;
    let table = Arc::new(Table::start(&Folder::new()));
    let front = Front::start(&table).await;
    let lambda = Lambda::asking(Platform::default(), &[POST_RATE, POST_BURST], table, front.port()).await;
    let say = || async {
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "late")];
        let answer = lambda.client.post("/api/chat/late", &headers, r#"{"user":"ada","text":"late"}"#).await;
        (answer.status, answer.text)
    };
    front.throttle("PutItem", r#"\"late\""#, usize::MAX);
    assert_eq!(say().await.0, 503);
    assert!(!front.is_done(), "only the message was refused");
    front.relent();

    pass(&lambda.table, LATE).await;
    let first = stored_once(join_all((0..TIMES).map(|_| say())).await);
    for time in [IDEMPOTENCY_WINDOW - LATE, LATE - Duration::from_secs(10)] {
        pass(&lambda.table, time).await;
        assert_eq!(say().await, (200, first.clone()), "{time:?} later");
    }
    pass(&lambda.table, Duration::from_secs(10)).await;
    // After its time it is a key like another.
    let second = stored_once(join_all((0..TIMES).map(|_| say())).await);
    assert_ne!(second, first);
    assert_eq!(say().await, (200, second));
}

/// One sender, in as many processes as posts. In the first round they start, in the second one they are there.
#[tokio::test]
async fn a_rate_is_one_rate_whatever_process_takes_the_posts() {
    const BURST: usize = 6;
    const POSTS: usize = 20;
    const ROUNDS: usize = 2;
    let _turn = heavy().await;
    let lambda = Lambda::start(&[("POST_RATE", "1"), ("POST_BURST", "6")]).await;
    let mut conclusive = 0;
    for n in 0..ROUNDS + TRIES as usize {
        let room = format!("/api/chat/rated-{n}");
        let asked = Instant::now();
        let post = || lambda.client.post_json(&room, r#"{"user":"ada","text":"hi"}"#);
        let answers = join_all((0..POSTS).map(|_| post())).await;
        let flowed = asked.elapsed().as_secs() as usize + 1;
        let pids = processes(&lambda, &answers).await;
        assert!(pids.len() >= PROCESSES, "{POSTS} posts in {} processes", pids.len());
        let stored = answers.iter().filter(|answer| answer.status == 201).count();
        assert!(stored <= BURST + flowed, "{stored} in {:?}", asked.elapsed());
        assert!(answers.iter().all(|answer| matches!(answer.status, 201 | 429 | 503)), "{answers:?}");
        // A post that a slow machine does not store in time has taken its token all the same.
        if answers.iter().all(|answer| answer.status != 503) {
            assert!(stored >= BURST, "{stored} in {:?}", asked.elapsed());
            conclusive += 1;
        }
        if conclusive == ROUNDS {
            return;
        }
    }
    panic!("the table has no time for {POSTS} posts at once, in any of {TRIES} tries");
}

/// A sender who is refused goes on at once, and each write is paid for. Whoever repeats a key is told what was stored
/// all the same, and that writes nothing, either.
#[tokio::test]
async fn a_refused_post_and_a_replay_write_nothing() {
    const BURST: usize = 3;
    const REFUSED: usize = 5;
    let table = Arc::new(Table::start(&Folder::new()));
    let front = Front::start(&table).await;
    let vars = [("POST_RATE", "1"), ("POST_BURST", "3")];
    let lambda = Lambda::asking(Platform::default(), &vars, table, front.port()).await;
    let written = || front.asked("PutItem") + front.asked("UpdateItem");
    let say = async |key: Option<&str>| {
        let json = ("Content-Type", "application/json");
        let headers: Vec<_> = [json].into_iter().chain(key.map(|key| ("Idempotency-Key", key))).collect();
        lambda.client.post("/api/chat/rated", &headers, r#"{"user":"ada","text":"hi"}"#).await
    };
    let first = say(Some("first")).await;
    assert_eq!(first.status, 201, "{first:?}");
    let (mut stored, mut refused) = (1, 0);
    while refused < REFUSED {
        let key = format!("key-{stored}-{refused}");
        for key in [None, Some(&*key)] {
            let before = written();
            let answer = say(key).await;
            if answer.status == 201 {
                stored += 1;
                continue;
            }
            assert_eq!((answer.status, answer.header("Retry-After")), (429, "1"), "{answer:?}");
            assert_eq!(written() - before, 0, "writes of a refused post with the key {key:?}");
            refused += 1;
            let replayed = say(Some("first")).await;
            assert_eq!((replayed.status, &replayed.text), (200, &first.text), "{replayed:?}");
            assert_eq!(written() - before, 0, "writes of a replay");
        }
    }
    assert!(stored >= BURST, "{stored} were stored");
}

/// A deployment that lowers POST_BURST finds buckets that are emptier than its own can be.
#[tokio::test]
async fn a_rate_that_is_lowered_locks_nobody_out() {
    const POSTS: usize = 40;
    const ABREAST: usize = 8;
    let _turn = heavy().await;
    let rate = ("POST_RATE", "1");
    let before = Lambda::start(&[rate, ("POST_BURST", "1000")]).await;
    let hi = |lambda: &Lambda| {
        let client = lambda.client.clone();
        async move { client.post_json("/api/chat/lowered", r#"{"user":"ada","text":"hi"}"#).await }
    };
    for _ in (0..POSTS).step_by(ABREAST) {
        let some = join_all((0..ABREAST).map(|_| hi(&before))).await;
        assert!(some.iter().all(|answer| answer.status == 201), "{some:?}");
    }

    let table = before.table.clone();
    let port = table.port();
    let after = Lambda::asking(Platform::default(), &[rate, ("POST_BURST", "3")], table, port).await;
    let asked = Instant::now();
    let (first, others) = (hi(&after).await, join_all((0..POSTS).map(|_| hi(&after))).await);
    let flowed = asked.elapsed().as_secs() as usize + 1;
    assert_eq!(first.status, 201, "{first:?}");
    let (stored, refused): (Vec<_>, Vec<_>) = others.iter().partition(|answer| answer.status == 201);
    assert!(stored.len() <= flowed, "it is empty all the same: {} in {flowed} s", stored.len());
    for answer in refused {
        assert_eq!((answer.status, answer.header("Retry-After")), (429, "1"), "{answer:?}");
    }
}

/// Streams that end because their process does. A reader that comes back whenever one has ended never has more than it
/// may.
#[tokio::test]
async fn a_stream_counts_for_as_long_as_its_process_lets_it_live() {
    const BOUND: usize = 2;
    let platform = Platform { timeout: 5, ..Platform::default() };
    let lambda = Lambda::on(platform, &[("STREAMS_PER_SENDER", "2")]).await;
    for round in 0..3 {
        let mut streams = join_all((0..BOUND).map(|_| lambda.client.open("/api/chat", &[]))).await;
        for stream in &mut streams {
            assert_eq!(stream.next_message(PATIENCE).await.unwrap().event, "cursor", "round {round}");
            assert_eq!(stream.rest(PATIENCE).await.1, End::Ended);
        }
    }
}

/// One sender that opens streams all at once, each in another process. The bound may give a little where the table has no
/// time to count, but it must be one.
#[tokio::test]
async fn a_bound_on_streams_holds_when_all_come_at_once() {
    const BOUND: usize = 10;
    const CONNECTS: usize = 30;
    let vars = [
        ("STREAMS_PER_SENDER", "10"),
        ("STREAM_SECS", "86400"),
        ("POLL_MIN_MS", "5000"),
        ("POLL_MAX_MS", "5000"),
    ];
    let _turn = heavy().await;
    let lambda = Lambda::on(Platform { reap: true, ..Platform::default() }, &vars).await;
    let mut fewest = usize::MAX;
    for n in 0..TRIES as u8 {
        let sender = lambda.client.from_address(71 + n);
        // The processes are there before the attack, so that it is one.
        join_all((0..CONNECTS).map(|_| sender.get("/healthz", &[]))).await;
        let streams = join_all((0..CONNECTS).map(|_| sender.open("/api/chat", &[]))).await;
        let knocked = join_all(streams.into_iter().map(|mut stream| async move {
            assert_eq!(stream.status, 200);
            stream.next_message(PATIENCE).await.is_ok().then_some(stream)
        }));
        let open: Vec<_> = knocked.await.into_iter().flatten().collect();
        println!("{} streams of {CONNECTS} connects, where {BOUND} may be", open.len());
        assert!(open.len() >= BOUND, "only {} streams, where {BOUND} may be", open.len());
        let mut beside = lambda.client.from_address(70).open("/api/chat", &[]).await;
        assert_eq!(beside.message().await.event, "cursor", "another sender is served");
        fewest = fewest.min(open.len());
        if fewest <= 2 * BOUND {
            break;
        }
    }
    assert!(fewest <= 2 * BOUND, "{fewest} streams, where {BOUND} may be");
}

/// Room names by the hundred: to look into a room that nobody spoke in puts nothing into the table.
#[tokio::test]
async fn rooms_without_a_message_are_nowhere() {
    const ROOMS: usize = 400;
    const ABREAST: usize = 8;
    let _turn = heavy().await;
    let lambda = Lambda::start(&[("STREAM_SECS", "1")]).await;
    let client = &lambda.client;
    let look = |n: usize| async move {
        let path = format!("/api/chat/nobody-{n}");
        let answer = match n % 5 {
            0 | 1 => client.get_json(&path).await,
            2 => client.get(&format!("{path}/messages/1"), &[]).await,
            3 => client.head(&path, &[]).await,
            _ => client.post_json(&path, r#"{"user":"ada","text":""}"#).await,
        };
        assert_eq!(answer.status, [200, 200, 404, 200, 400][n % 5], "{answer:?}");
    };
    for from in (0..ROOMS).step_by(ABREAST) {
        join_all((from..ROOMS).take(ABREAST).map(look)).await;
    }
    assert_eq!(lambda.table.items().await, [""; 0], "after looks");
    for n in 0..20 {
        let mut stream = client.open(&format!("/api/chat/nobody-{n}"), &[]).await;
        assert_eq!(stream.message().await.event, "cursor");
    }
    let items = lambda.table.items().await;
    let of_rooms = items.iter().filter(|item| item.to_string().contains("nobody-"));
    assert_eq!(of_rooms.count(), 0, "after streams: {items:?}");

    client.say("somebody", "hi").await;
    let items = lambda.table.items().await;
    assert!(items.iter().any(|item| item.to_string().contains("chat/somebody")), "{items:?}");
    // Whatever is not a message goes by itself.
    assert!(items.iter().all(|item| item["expires"]["N"].is_string()), "{items:?}");
}
