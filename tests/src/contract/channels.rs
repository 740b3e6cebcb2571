//! Channels of one's own: what is appended, and who reads it how.

use serde_json::json;

use super::{Case, Context, first_block, problem};
use crate::client::{Answer, Client, End, Stream};
use crate::token::{grants, token};

pub(super) const CASES: &[Case] = cases! {
    "Channels of your own", "each media type becomes entries, which readers get exactly as they were published" => media_types;
    "Channels of your own", "the entries of a post are 201 with first, last, count and ETag, and have consecutive ids" => ids;
    "Channels of your own", "history is the newest n, or all, and keys are only those" => history;
    "Channels of your own", "newest=1 starts with the newest entry of each key" => newest;
    "Channels of your own", "a bare stream names no event, and has its cursor in blocks of id alone" => bare;
    "Channels of your own", "a bare stream whose cursor cannot be resumed is 410, with requested and resumes_after" => bare_gap;
    "Channels of your own", "If-Match and If-None-Match hold, or it is 412 with the last id" => preconditions;
    "Channels of your own", "an Idempotency-Key is one batch" => keyed_batch;
    "Channels of your own", "a snapshot has entries, cursor and closed, and says if there is more" => snapshot;
    "Channels of your own", "HEAD tells the last id" => head;
    "Channels of your own", "a name is 1 to 8 segments" => names;
    "Channels of your own", "too many entries, too long ones and too much of them are 413, and nothing is stored" => too_large;
    "Channels of your own", "a bad line is told by its number, and nothing of its request is stored" => bad_line;
    "Channels of your own", "names of the stream itself are refused" => reserved;
    "Channels of your own", "no text ends a line, an event or a stream" => hostile;
    "Channels of your own", "a parameter that is against its rule is 400, with its name" => bad_parameters;
    "Channels of your own", "what is no media type of an entry is 415, and other methods are 405" => not_taken;
    "Channels of your own", "they are private, unless they are under public/" => granted;
};

pub(super) const NDJSON: (&str, &str) = ("Content-Type", "application/x-ndjson");
const EVENTS: (&str, &str) = ("Content-Type", "text/event-stream");
const TEXT: (&str, &str) = ("Content-Type", "text/plain");

/// Somebody who may do everything with all channels, and the path of a channel that nobody else uses.
pub(super) fn own(c: &Context) -> (Client, String) {
    let all = grants(&["channels/*"], &["channels/*"]);
    (c.client.bearing(&all), format!("/api/channels/{}/a.b~c", c.room()))
}

/// Appends the lines, each an entry of JSON, and answers the last id.
pub(super) async fn append(client: &Client, path: &str, lines: &str) -> u64 {
    let answer = client.post(path, &[NDJSON], lines).await;
    assert_eq!((answer.status, answer.header("Content-Type")), (201, "application/json"), "{answer:?}");
    last(&answer)
}

/// The last id of the channel, as the answer to a post has it.
#[track_caller]
pub(super) fn last(answer: &Answer) -> u64 {
    let document = answer.json();
    let last = document["last"].as_str().and_then(|last| last.parse().ok());
    let last: u64 = last.unwrap_or_else(|| panic!("no last id: {answer:?}"));
    if answer.status < 300 {
        assert_eq!(answer.header("ETag"), format!("\"{last}\""), "{answer:?}");
    }
    last
}

/// The next `n` entries: name, id and data.
pub(super) async fn entries(stream: &mut Stream, n: usize) -> Vec<(String, u64, String)> {
    let mut entries = Vec::new();
    while entries.len() < n {
        let message = stream.message().await;
        let id = message.last_event_id.parse().expect("an id is a number");
        entries.push((message.event, id, message.data));
    }
    entries
}

/// The data of all that is kept.
pub(super) async fn kept(client: &Client, path: &str) -> Vec<String> {
    let snapshot = client.get_json(&format!("{path}?history=all")).await.json();
    let entries = snapshot["entries"].as_array().unwrap_or_else(|| panic!("no entries: {snapshot}"));
    entries.iter().map(|entry| entry["data"].as_str().expect("data is text").to_owned()).collect()
}

async fn media_types(c: Context) {
    let (client, path) = own(&c);
    let mut stream = client.open(&path, &[]).await;
    first_block(&mut stream).await;
    let jsonl = ("Content-Type", "application/jsonl");
    let json = ("Content-Type", "Application/JSON; charset=utf-8");
    let blocks =
        "\u{feff}id: 9\nretry: 1\nevent: token\ndata: Hel\ndata: lo\n\n: c\n\nevent: x\n\ndata: {}\r\n\r\n";
    let cases: [(_, _, &[_]); 6] = [
        (
            json,
            "{ \"b\" : 1.0,\r\n \"a\":\"\\u00e9 \\u2028\" }",
            &[("message", r#"{"b":1.0,"a":"é \u2028"}"#)],
        ),
        (
            NDJSON,
            "{\"n\":1}\n\n[2]\r\n\"x\"",
            &[("message", "{\"n\":1}"), ("message", "[2]"), ("message", "\"x\"")],
        ),
        (jsonl, "null\n", &[("message", "null")]),
        (EVENTS, blocks, &[("token", "Hel\nlo"), ("message", "{}")]),
        (EVENTS, "data: whole\n\ndata: without its blank line\n", &[("message", "whole")]),
        (TEXT, "two\nlines: é\n", &[("message", "two\nlines: é\n")]),
    ];
    for (media_type, body, expected) in cases {
        let answer = client.post(&path, &[media_type], body).await;
        assert_eq!(
            (answer.status, &answer.json()["count"]),
            (201, &json!(expected.len())),
            "{body:?}: {answer:?}"
        );
        let heard = entries(&mut stream, expected.len()).await;
        let heard: Vec<_> = heard.iter().map(|(event, _, data)| (&**event, &**data)).collect();
        assert_eq!(heard, expected, "{body:?}");
    }
    // The name in the query is that of all entries.
    let named =
        client.post(&format!("{path}?event=a.b&key=k"), &[EVENTS], "event: c\ndata: 1\n\ndata: 2\n\n").await;
    assert_eq!(named.status, 201, "{named:?}");
    let names: Vec<_> = entries(&mut stream, 2).await.into_iter().map(|(event, ..)| event).collect();
    assert_eq!(names, ["a.b", "a.b"]);
    let wire = stream.text();
    assert!(
        wire.contains("data: two\ndata: lines: é\ndata:\n\n"),
        "each line of a text is one of data: {wire:?}"
    );
}

async fn ids(c: Context) {
    let (client, path) = own(&c);
    let mut stream = client.open(&path, &[]).await;
    first_block(&mut stream).await;
    for n in [3, 1, 2] {
        let answer = client.post(&path, &[NDJSON], &"0\n".repeat(n)).await;
        let heard: Vec<_> = entries(&mut stream, n).await.into_iter().map(|(_, id, _)| id).collect();
        let (first, last) = (last(&answer) + 1 - n as u64, last(&answer));
        assert_eq!(heard, (first..=last).collect::<Vec<_>>());
        assert_eq!(answer.text, format!(r#"{{"first":"{first}","last":"{last}","count":{n}}}"#));
        assert_eq!(answer.status, 201);
    }
}

async fn history(c: Context) {
    let (client, path) = own(&c);
    for n in 1..=6 {
        let key = if n % 2 == 0 { "even" } else { "odd" };
        assert_eq!(client.post_json(&format!("{path}?key={key}"), &n.to_string()).await.status, 201);
    }
    append(&client, &path, "7").await;
    for (query, expected) in [
        ("history=2", "67"),
        ("history=all", "1234567"),
        ("history=1000", "1234567"),
        ("history=2&keys=odd", "35"),
        ("history=all&keys=even&keys=odd", "123456"),
        ("lastEventId=0", "1234567"),
    ] {
        let mut stream = client.open(&format!("{path}?{query}"), &[]).await;
        first_block(&mut stream).await;
        let heard: String =
            entries(&mut stream, expected.len()).await.into_iter().map(|(.., data)| data).collect();
        assert_eq!(heard, expected, "{query}");
    }
    let mut none = client.open(&format!("{path}?history=all&keys=other"), &[]).await;
    first_block(&mut none).await;
    append(&client, &format!("{path}?key=other"), "8").await;
    assert_eq!(entries(&mut none, 1).await[0].2, "8");
}

async fn newest(c: Context) {
    let (client, path) = own(&c);
    for (key, data) in [("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")] {
        append(&client, &format!("{path}?key={key}"), data).await;
    }
    let mut stream = client.open(&format!("{path}?newest=1"), &[]).await;
    first_block(&mut stream).await;
    let heard: Vec<_> = entries(&mut stream, 2).await.into_iter().map(|(.., data)| data).collect();
    assert_eq!(heard, ["2", "4"]);
    assert!(stream.text().contains(": skipped 2\n"), "{:?}", stream.text());
    let snapshot = client.get_json(&format!("{path}?newest=1&keys=a")).await.json();
    assert_eq!(snapshot["entries"].as_array().map(Vec::len), Some(1), "{snapshot}");
    assert_eq!(snapshot["entries"][0]["data"], "4");
}

async fn bare(c: Context) {
    let (client, path) = own(&c);
    let before = append(&client, &path, "0").await;
    let mut stream = client.open(&format!("{path}?events=bare"), &[]).await;
    append(&client, &format!("{path}?close=1"), "{\"a\":1}").await;
    assert_eq!(entries(&mut stream, 1).await[0].2, "{\"a\":1}");
    assert_eq!(stream.rest(crate::client::PATIENCE).await.1, End::Ended);
    let text = stream.text();
    let retry = text.strip_prefix("retry: ").and_then(|rest| rest.split('\n').next()).unwrap_or_default();
    assert_eq!(text, format!("retry: {retry}\nid: {before}\n\nid: {}\ndata: {{\"a\":1}}\n\n", before + 1));
    assert_eq!(stream.header("Last-Event-ID"), before.to_string());
}

/// With more entries than the deployment keeps.
async fn bare_gap(c: Context) {
    let (client, path) = own(&c);
    let first = append(&client, &path, "0").await;
    for _ in 0..2 {
        append(&client, &path, &"1\n".repeat(500)).await;
    }
    let oldest = (first + 1_000 - 600).to_string();
    for (cursor, reason, after) in
        [(&*first.to_string(), "expired", &*oldest), ("x", "unknown", &*(first + 1_000).to_string())]
    {
        let bare = client.get(&format!("{path}?events=bare&lastEventId={cursor}"), &[]).await;
        problem(&bare, 410, Some("lastEventId"), &["lastEventId"]);
        let document = bare.json();
        assert_eq!(document["type"], "urn:ssedge:problem:gap");
        let told = ["reason", "requested", "resumes_after"]
            .map(|field| document[field].as_str().unwrap_or_default());
        assert_eq!(told, [reason, cursor, after], "{document}");
        // From there it goes on.
        let again = client.open(&format!("{path}?events=bare&lastEventId={after}"), &[]).await;
        assert_eq!((again.status, again.header("Last-Event-ID")), (200, after));
        let mut named = client.open(&path, &[("Last-Event-ID", cursor)]).await;
        assert_eq!(super::first_gap(&mut named, reason, cursor).await, after);
    }
}

async fn preconditions(c: Context) {
    let (client, path) = own(&c);
    let post = async |headers: &[(&str, &str)]| client.post(&path, &[&[NDJSON], headers].concat(), "1").await;
    let first = post(&[("If-None-Match", "*")]).await;
    assert_eq!(first.status, 201, "{first:?}");
    let unmet = |answer: &Answer, field: &str, id: u64| {
        problem(answer, 412, Some(field), &[field]);
        assert_eq!(last(answer), id);
    };
    unmet(&post(&[("If-None-Match", "*")]).await, "If-None-Match", last(&first));
    let second = post(&[("If-Match", first.header("ETag"))]).await;
    assert_eq!((second.status, last(&second)), (201, last(&first) + 1));
    unmet(&post(&[("If-Match", first.header("ETag"))]).await, "If-Match", last(&second));
    assert_eq!(kept(&client, &path).await.len(), 2, "what is refused is not stored");
    for (name, value) in
        [("If-Match", "45"), ("If-Match", "*"), ("If-Match", "\"x\""), ("If-None-Match", "\"1\"")]
    {
        problem(&post(&[(name, value)]).await, 400, Some(name), &[name]);
    }
    problem(
        &post(&[("If-Match", "\"1\""), ("If-None-Match", "*")]).await,
        400,
        Some("If-None-Match"),
        &["If-Match"],
    );
    // An empty header is none.
    let third = post(&[("If-Match", "")]).await;
    let fourth = post(&[("If-Match", third.header("ETag")), ("If-None-Match", "")]).await;
    assert_eq!((third.status, fourth.status, last(&fourth)), (201, 201, last(&second) + 2));
    let (_, other) = own(&c);
    let none = client.post(&other, &[NDJSON, ("If-Match", "\"0\"")], "1").await;
    assert_eq!(none.status, 201, "\"0\" is the last id of a channel without entries: {none:?}");
}

async fn keyed_batch(c: Context) {
    let (client, path) = own(&c);
    let path = &*path;
    let post = async |query: &str, body: &str| {
        client.post(&format!("{path}{query}"), &[NDJSON, ("Idempotency-Key", "k")], body).await
    };
    let first = post("", "1\n2\n3").await;
    append(&client, path, "4").await;
    for body in ["1\n2\n3", "1\r\n\n 2 \n3\n"] {
        let again = post("", body).await;
        assert_eq!((again.status, again.header("Idempotent-Replayed")), (200, "true"), "{again:?}");
        assert_eq!((&again.text, again.header("ETag")), (&first.text, first.header("ETag")));
    }
    for (query, body) in [("", "1\n2"), ("?close=1", "1\n2\n3"), ("?key=a", "1\n2\n3")] {
        problem(&post(query, body).await, 422, Some("Idempotency-Key"), &["Idempotency-Key"]);
    }
    assert_eq!(kept(&client, path).await, ["1", "2", "3", "4"]);
}

async fn snapshot(c: Context) {
    let (client, path) = own(&c);
    assert_eq!(client.get_json(&path).await.text, r#"{"entries":[],"cursor":"0","closed":null}"#);
    let last = append(&client, &format!("{path}?event=log&key=k"), "{\"a\":\"b\"}").await;
    assert_eq!(client.post(&path, &[TEXT], "two\r\nlines").await.status, 201);
    let document = client.get_json(&format!("{path}?history=all")).await.json();
    let time = |n: usize| document["entries"][n]["time"].clone();
    let expected = json!({
        "entries": [
            { "id": last.to_string(), "event": "log", "key": "k", "time": time(0), "data": "{\"a\":\"b\"}" },
            { "id": (last + 1).to_string(), "time": time(1), "data": "two\r\nlines" },
        ],
        "cursor": (last + 1).to_string(),
        "closed": null,
    });
    assert_eq!(document, expected);
    for n in 0..2 {
        super::events::unix_ms(time(n).as_str().expect("a time"));
    }
    append(&client, &path, &"0\n".repeat(500)).await;
    let (mut cursor, mut seen, mut more) = ("0".to_owned(), 0, true);
    while more {
        let page = client.get_json(&format!("{path}?lastEventId={cursor}")).await.json();
        cursor = page["cursor"].as_str().expect("a cursor").to_owned();
        seen += page["entries"].as_array().map_or(0, Vec::len);
        more = page["more"] == true;
        assert!(more || page.get("more").is_none(), "{page}");
    }
    assert_eq!(seen, 502);
    let mut stream = client.open(&format!("{path}?lastEventId={cursor}"), &[]).await;
    assert_eq!(first_block(&mut stream).await.1, cursor);
}

async fn head(c: Context) {
    let (client, path) = own(&c);
    let before = client.head(&path, &[]).await;
    assert_eq!((before.status, before.header("ETag")), (200, "\"0\""), "{before:?}");
    let last = append(&client, &path, "1\n2").await;
    let answer = client.head(&path, &[]).await;
    assert_eq!((answer.status, answer.header("ETag")), (200, &*format!("\"{last}\"")), "{answer:?}");
    assert_eq!(answer.header("Last-Event-ID"), last.to_string());
    let from = client.head(&format!("{path}?history=1"), &[]).await;
    assert_eq!(from.header("Last-Event-ID"), (last - 1).to_string());
}

async fn names(c: Context) {
    let (client, _) = own(&c);
    let longest = ["s".repeat(64), "s".repeat(64), "s".repeat(64), "s".repeat(5)].join("/");
    assert_eq!(longest.len(), 200);
    for good in ["a", "A.b_C~-", "1/2/3/4/5/6/7/8", "...", ".a", "~", "%61bc", &longest] {
        let answer = client.head(&format!("/api/channels/{good}"), &[]).await;
        assert_eq!(answer.status, 200, "{good}: {answer:?}");
    }
    for bad in [
        "",
        "a/",
        "a//b",
        "1/2/3/4/5/6/7/8/9",
        "a%2Fb",
        "a%20b",
        "a%00",
        "a%0A",
        "%C3%A9",
        "a:b",
        "a*",
        "%2e%2e%2f",
        &"s".repeat(65),
        &format!("{longest}s"),
    ] {
        let path = format!("/api/channels/{bad}");
        problem(&client.get(&path, &[]).await, 400, Some("name"), &["8 segments", "64", "200"]);
        problem(&client.post_json(&path, "1").await, 400, Some("name"), &["segments"]);
        let deleted = client.request(http::Method::DELETE, &path, &[], None).await;
        problem(&deleted, 400, Some("name"), &["segments"]);
    }
}

async fn too_large(c: Context) {
    let (client, path) = own(&c);
    let text = |n: usize| format!("\"{}\"", "x".repeat(n - 2));
    for (media_type, body, says) in [
        (NDJSON, "0\n".repeat(501), "500 entries"),
        (NDJSON, format!("0\n{}", text(16 * 1024 + 1)), "16384 bytes"),
        (TEXT, "x".repeat(16 * 1024 + 1), "16384 bytes"),
        (EVENTS, format!("data: 0\n\ndata: {}\n\n", text(16 * 1024 + 1)), "16384 bytes"),
        (TEXT, "x".repeat(64 * 1024 + 1), "65536 bytes"),
        (NDJSON, vec![text(13 * 1024); 5].join("\n"), "65536 bytes"),
        (NDJSON, format!("0\n{}", "\n".repeat(64 * 1024)), "65536 bytes"),
    ] {
        // A REST API does not tell the length of a body, so a long one of lines is taken for one that came as a stream.
        if media_type == NDJSON && says == "65536 bytes" && !c.client.stage().is_empty() {
            continue;
        }
        let answer = client.post(&path, &[media_type], &body).await;
        problem(&answer, 413, None, &[says]);
    }
    assert!(kept(&client, &path).await.is_empty(), "nothing of it is stored");
    for body in
        ["0\n".repeat(500), [&*text(16 * 1024); 3].join("\n"), format!("0{}", "\n".repeat(64 * 1024 - 1))]
    {
        assert_eq!(client.post(&path, &[NDJSON], &body).await.status, 201);
    }
}

async fn bad_line(c: Context) {
    let (client, path) = own(&c);
    for (body, line) in
        [("1\n\n{\"a\":}\n4", "line 3"), ("1\n2\n[", "line 3"), ("x", "line 1"), ("1\n2 3", "line 2")]
    {
        let answer = client.post(&path, &[NDJSON], body).await;
        problem(&answer, 400, None, &[line, "JSON"]);
    }
    for body in ["", " ", "{", "1 2"] {
        problem(&client.post_json(&path, body).await, 400, None, &["the body"]);
    }
    for (media_type, body) in
        [(NDJSON, "\n\n"), (EVENTS, ": nothing\n\n"), (EVENTS, "data: no end"), (TEXT, "")]
    {
        problem(&client.post(&path, &[media_type], body).await, 400, None, &["entry", "close=1"]);
    }
    assert_eq!(client.get_json(&path).await.json()["cursor"], "0", "nothing is stored");
}

async fn reserved(c: Context) {
    let (client, path) = own(&c);
    for name in ["cursor", "gap", "end", "expired", "error", "open"] {
        let by_query = client.post_json(&format!("{path}?event={name}"), "1").await;
        let in_body = client.post(&path, &[EVENTS], &format!("data: 0\n\nevent: {name}\ndata: 1\n\n")).await;
        for answer in [by_query, in_body] {
            problem(&answer, 400, Some("event"), &["reserved"]);
        }
    }
    assert!(kept(&client, &path).await.is_empty());
    // The type of an event without a name is none.
    append(&client, &format!("{path}?event=message"), "1").await;
}

async fn hostile(c: Context) {
    let (client, path) = own(&c);
    let mut stream = client.open(&path, &[]).await;
    first_block(&mut stream).await;
    let texts = [
        "\r\n\r\nid: 9\nevent: end\ndata: {}\n\n",
        "a\rdata: b\r\r:c",
        "id: 9",
        "\u{feff}retry: 1\u{2028}event: gap\u{2029}\u{85}x\0\u{b}\u{c}",
        " one space is not lost, nor two:  ",
        "\n",
    ];
    for text in texts {
        let answer = client.post(&path, &[TEXT], text).await;
        assert_eq!(answer.status, 201, "{text:?}: {answer:?}");
        let heard = entries(&mut stream, 1).await.remove(0);
        // The format has one kind of line break.
        let expected = text.replace("\r\n", "\n").replace('\r', "\n");
        assert_eq!(heard, ("message".to_owned(), last(&answer), expected));
        let json = serde_json::Value::from(text).to_string();
        assert_eq!(client.post_json(&path, &json).await.status, 201);
        let (event, _, data) = entries(&mut stream, 1).await.remove(0);
        assert!(
            event == "message" && !data.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']),
            "{data:?}"
        );
        assert_eq!(serde_json::from_str::<String>(&data).expect("JSON"), text);
    }
    let stored: Vec<_> = kept(&client, &path).await.into_iter().step_by(2).collect();
    assert_eq!(stored, texts, "a snapshot has the text as it was published");
}

async fn bad_parameters(c: Context) {
    let (client, path) = own(&c);
    for (query, name) in [
        ("history=1001", "history"),
        ("history=ALL", "history"),
        ("keys=", "keys"),
        ("keys=a,b%20c", "keys"),
        (&format!("keys={}", vec!["k"; 17].join(",")), "keys"),
        ("newest=2", "newest"),
        ("events=raw", "events"),
        ("active=yes", "active"),
        ("active=1&active=1", "active"),
    ] {
        problem(&client.get(&format!("{path}?{query}"), &[]).await, 400, Some(name), &[name]);
    }
    for (query, name) in [
        ("event=a%20b", "event"),
        ("key=", "key"),
        (&format!("key={}", "k".repeat(65)), "key"),
        ("close=true", "close"),
        ("close=1&reason=Done", "reason"),
        ("close=1&reason=", "reason"),
        ("lease=4", "lease"),
        ("lease=3601", "lease"),
        ("keep=59", "keep"),
        ("keep=604801", "keep"),
        ("keep=1&keep=1", "keep"),
    ] {
        problem(&client.post_json(&format!("{path}?{query}"), "1").await, 400, Some(name), &[name]);
    }
    assert!(kept(&client, &path).await.is_empty());
}

async fn not_taken(c: Context) {
    let (client, path) = own(&c);
    for media_type in ["application/xml", "text/plain; charset=latin1", "application/x-www-form-urlencoded"] {
        let answer = client.post(&path, &[("Content-Type", media_type)], "1").await;
        problem(
            &answer,
            415,
            Some("Content-Type"),
            &["application/x-ndjson", "text/event-stream", "text/plain"],
        );
    }
    problem(&client.post(&path, &[], "1").await, 415, Some("Content-Type"), &["application/json"]);
    problem(
        &client.post(&path, &[NDJSON, ("Content-Encoding", "gzip")], "1").await,
        415,
        Some("Content-Type"),
        &[],
    );
    let put = client.request(http::Method::PUT, &path, &[], Some("1")).await;
    problem(&put, 405, None, &["DELETE"]);
    assert_eq!(put.header("Allow"), "GET, HEAD, POST, DELETE, OPTIONS");
    let preflight = client.options(&path, &[("Origin", "https://a.example")]).await;
    assert_eq!(preflight.header("Access-Control-Allow-Methods"), put.header("Allow"));
    for name in ["If-Match", "If-None-Match", "Idempotency-Key"] {
        assert!(preflight.header("Access-Control-Allow-Headers").contains(name), "{preflight:?}");
    }
}

async fn granted(c: Context) {
    let name = c.room();
    let (private, public) = (format!("/api/channels/{name}"), format!("/api/channels/public/{name}"));
    let (writer, _) = own(&c);
    for path in [&private, &public] {
        append(&writer, path, "1").await;
        for client in
            [&c.client, &c.client.bearing(&grants(&["channels/*"], &["channels/other/*", "chat/*"]))]
        {
            problem(&client.post_json(path, "1").await, 403, None, &["no grant to publish"]);
            let deleted = client.request(http::Method::DELETE, path, &[], None).await;
            problem(&deleted, 403, None, &["no grant to publish"]);
        }
    }
    assert_eq!(kept(&c.client, &public).await, ["1"]);
    problem(&c.client.get(&private, &[]).await, 403, None, &["no grant to subscribe"]);
    problem(&c.client.get_json(&private).await, 403, None, &["no grant to subscribe"]);
    let reader = c.client.bearing(&token(json!({ "sub": "ada", "subscribe": [format!("channels/{name}")] })));
    assert_eq!(kept(&reader, &private).await, ["1"]);
    problem(&reader.get(&format!("{private}/below"), &[]).await, 403, None, &["no grant to subscribe"]);
}
