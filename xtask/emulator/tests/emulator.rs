//! The emulator, with real processes.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod rig;

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rig::{Emulator, Reader, TIMEOUT, settled, state};
use serde_json::{Value, json};

#[tokio::test]
async fn a_process_has_one_invocation_until_its_stream_ends() {
    let emulator = Emulator::start(json!({ "concurrency": 2 })).await;
    let mut one = emulator.open("/stream?count=3&pause=1200").await;
    let mut two = emulator.open("/stream?count=6&pause=1200").await;
    let (first, second) = (one.pid().await, two.pid().await);
    assert_ne!(first, second);

    let busy = emulator.get("/sleep").await;
    assert_eq!((busy.status, busy.text.as_str()), (429, r#"{"Message":"Rate Exceeded."}"#));
    assert_eq!(busy.headers["x-amzn-errortype"], "TooManyRequestsException");

    assert_eq!(one.rest().await, Ok(2));
    let reused = emulator.open("/stream?count=1").await;
    assert_eq!(reused.finish().await, Ok(format!("{first} 0\n")));
    assert_eq!(two.rest().await, Ok(5));
    let last = emulator.open("/stream?count=1").await;
    assert_eq!(last.finish().await, Ok(format!("{second} 0\n")), "the last used comes first");
    assert_eq!(emulator.entries("start").len(), 2);
}

#[tokio::test]
async fn a_stream_has_the_head_that_the_function_says() {
    let emulator = Emulator::start(json!({})).await;
    let stream = emulator.open("/stream?count=2").await;
    assert_eq!(stream.response.status(), 202);
    let headers = stream.response.headers().clone();
    assert_eq!(
        (&headers["content-type"], &headers["set-cookie"]),
        (&"text/plain".parse().unwrap(), &"a=1".parse().unwrap())
    );
    assert!(!headers.contains_key("content-length"));
    let request = headers["x-amzn-requestid"].to_str().unwrap().to_owned();
    stream.finish().await.unwrap();
    let end = emulator.end_of(&request).await;
    assert_eq!(end["outcome"], "complete");
    let invoked =
        emulator.entries("invoke").into_iter().find(|entry| entry["request"] == json!(request)).unwrap();
    assert_eq!(invoked["pid"], end["pid"]);
    assert_eq!(emulator.entries("ready")[0]["pid"], end["pid"]);
    let head = emulator.request(reqwest::Method::HEAD, "/stream?count=1").send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.text().await.unwrap().as_str()), (202, ""));
}

#[tokio::test]
async fn answers_can_be_of_one_piece() {
    let emulator = Emulator::start(json!({})).await;
    let plain = emulator.get("/json").await;
    assert_eq!((plain.status, plain.text.as_str()), (200, r#"{"plain":true}"#));
    assert_eq!(plain.headers["content-type"], "application/json");
    let response = emulator.request(reqwest::Method::GET, "/base64").send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["set-cookie"]),
        (201, &"a=1".parse().unwrap())
    );
    assert_eq!(response.bytes().await.unwrap().as_ref(), b"\xff\0");
}

#[tokio::test]
async fn the_function_gets_the_event() {
    let emulator = Emulator::start(json!({})).await;
    let request =
        emulator.request(reqwest::Method::POST, "/a%2Fb/../c?x=1&x=%20").header("Content-Type", "image/png");
    let response = request.header("Cookie", "a=1; b=2").body(vec![0xff_u8, 0]).send().await.unwrap();
    let id = response.headers()["x-amzn-requestid"].to_str().unwrap().to_owned();
    let event: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("/wA="), &json!(true)));
    assert_eq!(event["rawQueryString"], "x=1&x=%20");
    assert_eq!(event["queryStringParameters"]["x"], "1, ");
    assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
    assert_eq!(event["requestContext"]["requestId"], json!(id));
    assert_eq!(event["headers"]["host"], json!(format!("127.0.0.1:{}", emulator.port)));

    let request =
        emulator.request(reqwest::Method::POST, "/").header("Content-Type", "text/plain; charset=utf-8");
    let event: Value =
        serde_json::from_str(&request.body("é").send().await.unwrap().text().await.unwrap()).unwrap();
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("é"), &json!(false)));

    let raw = emulator.raw("GET /a%2Fb/../c//d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(raw.contains(r#""rawPath":"/a%2Fb/../c//d""#), "{raw}");
    let asked = emulator.raw("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx").await;
    assert!(asked.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"), "{asked}");
}

#[tokio::test]
async fn a_rest_api_is_below_its_stage_and_streams() {
    let emulator = Emulator::start(json!({ "stage": "live", "concurrency": 1 })).await;
    let event = emulator.get("/live/a%2Fb?x=1&x=%20").await.json();
    assert_eq!((&event["path"], &event["requestContext"]["path"]), (&json!("/a%2Fb"), &json!("/live/a%2Fb")));
    assert_eq!(event["multiValueQueryStringParameters"]["x"], json!(["1", " "]));
    assert_eq!(event["requestContext"]["stage"], "live");

    let mut stream = emulator.open("/live/stream?count=2&pause=1200").await;
    assert_eq!(stream.response.status(), 202);
    let pid = stream.pid().await;
    let internal = r#"{"message": "Internal server error"}"#;
    let busy = emulator.get("/live/sleep").await;
    assert_eq!((busy.status, busy.text.as_str()), (500, internal));
    assert_eq!(stream.rest().await, Ok(1));
    assert_eq!(emulator.get("/live/sleep").await.json().as_u64(), Some(pid));

    let failed = emulator.get("/live/error").await;
    assert_eq!((failed.status, failed.text.as_str()), (502, internal));
    let outside = emulator.get("/stream").await;
    assert_eq!((outside.status, outside.text.as_str()), (403, r#"{"message":"Forbidden"}"#));
}

#[tokio::test]
async fn a_body_has_a_limit() {
    let emulator = Emulator::start(json!({})).await;
    for content_type in ["text/plain", "image/png"] {
        let body = vec![b'a'; 5 << 20];
        let request = emulator.request(reqwest::Method::POST, "/json").header("Content-Type", content_type);
        let expected = if content_type == "text/plain" { 200 } else { 413 };
        assert_eq!(request.body(body).send().await.unwrap().status().as_u16(), expected, "{content_type}");
    }
    let told = emulator.raw("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6291457\r\n\r\n").await;
    assert!(told.starts_with("HTTP/1.1 413 "), "{told}");
}

#[tokio::test]
async fn the_environment_is_the_functions_own() {
    let emulator = Emulator::start(json!({ "environment": { "OWN": "1", "AWS_REGION": "eu-west-1" } })).await;
    let environment = emulator.get("/environment").await.json();
    assert_eq!((&environment["OWN"], &environment["AWS_REGION"]), (&json!("1"), &json!("eu-west-1")));
    assert_eq!(environment["TZ"], ":UTC");
    for name in ["HOME", "CARGO_MANIFEST_DIR", "AWS_LAMBDA_MAX_CONCURRENCY"] {
        assert_eq!(environment.get(name), None, "{name}");
    }
    let deadline = || {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
        u64::try_from(now).unwrap() + TIMEOUT * 1_000
    };
    let before = deadline();
    let told = emulator.get("/deadline").await.json().as_u64().unwrap();
    assert!((before..=deadline()).contains(&told), "{told} is not {TIMEOUT} s from between {before} and now");
}

#[tokio::test]
async fn the_deadline_is_real() {
    let emulator = Emulator::start(json!({ "timeout": 1, "concurrency": 2 })).await;
    let begun = Instant::now();
    let mut stream = emulator.open("/stream?count=1000&pause=100").await;
    let pid = stream.pid().await;
    let late = emulator.get("/sleep?pause=100000");
    let (cut, late) = tokio::join!(stream.rest(), late);
    assert!(cut.is_err(), "the body is cut");
    assert_eq!((late.status, late.text.as_str()), (502, "Internal Server Error"));
    // Left alone, both would take a hundred seconds.
    assert!((900..50_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    settled(|| state(pid).is_none(), "the process is killed").await;
    settled(|| emulator.entries("end").len() == 2, "both are told of").await;
    assert!(emulator.entries("end").iter().all(|entry| entry["outcome"] == "timeout"));
    assert_ne!(emulator.open("/stream?count=1").await.pid().await, pid);
}

#[tokio::test]
async fn a_reader_that_leaves_is_not_told_to_the_function() {
    let emulator = Emulator::start(json!({ "concurrency": 1 })).await;
    let mut stream = emulator.open("/stream?count=30&pause=200").await;
    let pid = stream.pid().await;
    let request = stream.request_id();
    drop(stream);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(emulator.get("/sleep").await.status, 429, "the process stays busy");
    let end = emulator.end_of(&request).await;
    assert_eq!(end["outcome"], "complete");
    assert!(end["millis"].as_u64().unwrap() >= 5900, "{end}");
    assert_eq!(emulator.open("/stream?count=1").await.pid().await, pid);

    // Also before the head.
    let leaving = emulator.request(reqwest::Method::GET, "/sleep?pause=6000").timeout(Duration::from_secs(1));
    assert!(leaving.send().await.is_err());
    assert_eq!(emulator.get("/sleep").await.status, 429);
}

#[tokio::test]
async fn a_process_is_reaped_when_its_reader_leaves_if_that_is_asked_for() {
    let emulator = Emulator::start(json!({ "concurrency": 2, "reap": true, "timeout": 3600 })).await;
    let mut beside = emulator.open("/stream?count=20&pause=50").await;
    let other = beside.pid().await;
    for count in [1, 100_000] {
        // One that leaves between two lines, and one that leaves while lines are on their way.
        let mut stream = emulator.open(&format!("/stream?count={count}000&pause=20")).await;
        let (pid, request) = (stream.pid().await, stream.request_id());
        drop(stream);
        assert_eq!(emulator.end_of(&request).await["outcome"], "reaped");
        settled(|| state(pid).is_none(), "the process is killed").await;
    }
    // Whoever is served to the end keeps the process.
    assert_eq!(beside.rest().await, Ok(19));
    assert_eq!(emulator.get("/sleep").await.json().as_u64(), Some(other));
}

#[tokio::test]
async fn what_breaks_off_does_not_end_cleanly() {
    let emulator = Emulator::start(json!({ "concurrency": 1 })).await;
    for (path, outcome) in [("/trailers", "error"), ("/abort", "error"), ("/exit?chunks=1", "crash")] {
        let stream = emulator.open(path).await;
        let request = stream.request_id();
        assert!(stream.finish().await.is_err(), "{path}");
        assert_eq!(emulator.end_of(&request).await["outcome"], outcome, "{path}");
    }
    for (path, outcome) in [("/error", "error"), ("/exit", "crash")] {
        let answer = emulator.get(path).await;
        assert_eq!((answer.status, answer.text.as_str()), (502, "Internal Server Error"), "{path}");
        assert_eq!(emulator.end_of(&answer.request_id()).await["outcome"], outcome, "{path}");
    }
    // The processes that ended were replaced: two deaths, and the next request has a third process.
    assert_eq!(emulator.get("/sleep").await.status, 200);
    settled(|| emulator.entries("start").len() == 3, "three were started").await;
}

#[tokio::test]
async fn nothing_runs_between_invocations() {
    let emulator = Emulator::start(json!({ "concurrency": 1 })).await;
    let pid = emulator.get("/sleep").await.json().as_u64().unwrap();
    settled(|| state(pid) == Some('T'), "the process is stopped").await;
    let before = emulator.get("/ticks").await.json().as_u64().unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = emulator.get("/ticks").await.json().as_u64().unwrap();
    // It would have counted to a thousand; while it has an invocation, it may count.
    assert!(after - before < 500, "it counted from {before} to {after}");

    // One that dies while it is stopped is replaced, and its client does not see it.
    settled(|| state(pid) == Some('T'), "the process is stopped").await;
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
    settled(|| emulator.entries("exit").len() == 1, "the emulator knows").await;
    let other = emulator.get("/sleep").await;
    assert_eq!(other.status, 200);
    assert_ne!(other.json().as_u64(), Some(pid));
}

#[tokio::test]
async fn an_init_that_fails_is_tried_once_for_each_request() {
    for how in ["exit", "error"] {
        let emulator = Emulator::start(json!({ "environment": { "INIT": how } })).await;
        let begun = Instant::now();
        for tries in 1..=2 {
            let answer = emulator.get("/").await;
            assert_eq!(answer.status, 502, "{how}");
            assert_eq!(emulator.end_of(&answer.request_id()).await["outcome"], "error", "{how}");
            assert_eq!(emulator.entries("start").len(), tries, "{how}");
        }
        // Each would take ten seconds if the emulator waited for what does not come.
        assert!(begun.elapsed() < Duration::from_secs(18), "{how}");
        assert_eq!(emulator.entries("ready"), Vec::<Value>::new(), "{how}");
    }
}

#[tokio::test]
async fn a_shared_process_has_several_invocations() {
    let emulator = Emulator::start(json!({ "concurrency": 1, "share": 4, "timeout": 8 })).await;
    let mut streams = Vec::<Reader>::new();
    for _ in 0..3 {
        streams.push(emulator.open("/stream?count=3&pause=1000").await);
    }
    let mut late = emulator.open("/stream?count=120&pause=100").await;
    let pid = late.pid().await;
    assert_eq!(emulator.get("/sleep").await.status, 429);
    for stream in streams {
        let text = stream.finish().await.unwrap();
        assert!(text.lines().all(|line| line.starts_with(&format!("{pid} "))), "{text}");
    }
    assert!(late.rest().await.is_err(), "the time limit fails this one");
    assert_eq!(emulator.get("/sleep").await.json().as_u64(), Some(pid), "and ends no process");
}

#[tokio::test]
async fn a_slow_reader_holds_up_the_function_and_a_large_answer_is_cut() {
    let emulator = Emulator::start(json!({})).await;
    let stream = emulator.open("/bytes?count=64").await;
    let request = stream.request_id();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let ended =
        |request: &str| emulator.entries("end").iter().any(|entry| entry["request"] == json!(request));
    assert!(!ended(&request), "64 MB are nowhere to be put");
    assert_eq!(stream.finish().await.map(|text| text.len()), Ok(64 << 20));
    assert_eq!(emulator.end_of(&request).await["outcome"], "complete");

    let mut stream = emulator.open("/bytes?count=201").await;
    let request = stream.request_id();
    assert!(stream.rest().await.is_err());
    assert_eq!(emulator.end_of(&request).await["outcome"], "error");
}

#[tokio::test]
async fn a_real_runtime_works_alone_and_shared() {
    const AT_ONCE: Duration = Duration::from_millis(30);
    for share in [1, 3] {
        let emulator = Emulator::of("runtime", json!({ "concurrency": 3, "share": share })).await;
        let readers = futures::future::join_all((0..3).map(|_| emulator.open("/"))).await;
        let texts = futures::future::join_all(readers.into_iter().map(Reader::finish)).await;
        let pids = texts.iter().map(|text| text.as_ref().unwrap().split(' ').next().unwrap());
        let pids = pids.collect::<std::collections::BTreeSet<_>>();
        assert_eq!(pids.len(), if share == 1 { 3 } else { 1 }, "{texts:?}");

        // Not the waiting that TCP does where small writes are held back, which would be in each of them.
        let mut times = Vec::new();
        while times.len() < 50 && !times.iter().any(|time| *time < AT_ONCE) {
            let begun = Instant::now();
            let mut stream = emulator.open("/").await;
            stream.pid().await;
            times.push(begun.elapsed());
            stream.rest().await.unwrap();
        }
        assert!(times.iter().any(|time| *time < AT_ONCE), "{times:?}");
    }
}

#[tokio::test]
async fn everything_ends_with_its_input_or_a_signal() {
    for end in [None, Some(Signal::SIGTERM), Some(Signal::SIGINT), Some(Signal::SIGKILL)] {
        let mut emulator = Emulator::start(json!({ "concurrency": 2 })).await;
        let mut stream = emulator.open("/stream?count=1000&pause=20").await;
        let running = stream.pid().await;
        let idle = emulator.get("/sleep").await.json().as_u64().unwrap();
        settled(|| state(idle) == Some('T'), "the process is stopped").await;
        match end {
            None => emulator.end_input(),
            Some(signal) => kill(Pid::from_raw(emulator.pid()), signal).unwrap(),
        }
        emulator.wait();
        let gone = || state(running).is_none() && state(idle).is_none();
        settled(gone, &format!("no process is left after {end:?}")).await;
    }
}
