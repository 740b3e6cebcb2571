//! Streams: text from users can never end a line of the stream, whatever it holds.

use serde_json::{Value, json};

use super::attack::one_block;
use super::{Case, Context, problem};

pub(super) const CASES: &[Case] = cases! {
    "Streams", "text that may be said arrives as it was sent, in one line" => arrives;
    "Streams", "a name that may be used arrives as it was sent, in one line" => names;
    "Streams", "what ends a line to some readers is escaped in all JSON that is written" => one_line_for_all;
    "Streams", "text with control characters is refused" => refused;
    "Streams", "half a surrogate pair is refused" => half_surrogates;
    "Streams", "bytes that are not UTF-8 are refused" => not_utf8;
    "Streams", "a cursor of any bytes and any length is a gap" => any_cursor;
    "Errors", "a path or a query of any bytes is no failure of the server" => any_path;
};

/// Each must arrive as itself; what it tries is to end its line, its block or its JSON.
const ALLOWED: [&str; 18] = [
    "a\nb",
    "a\n\nevent: cursor\nid: 9\ndata: {\"cursor\":\"9\"}\n\nb",
    "data: x\n\ndata: y",
    ": comment",
    "id: 5",
    "retry: 1",
    "a\tb",
    "line\u{2028}separator\u{2029}s",
    "\u{feff}begins with a byte order mark",
    "a\u{feff}b",
    "zero\u{200b}width\u{200d}joiners",
    "right to left: \u{202e}abc",
    "👩\u{200d}👩\u{200d}👧 🇩🇪 𝒳",
    "\"}\n\n{\"",
    "back\\slash \\n \\u000a \\",
    "</script><!-- ]]> &amp;",
    "%0a%0d%00",
    "\u{fffd}\u{fffe}\u{10ffff}",
];

async fn arrives(c: Context) {
    let room = c.room();
    let mut stream = c.client.open(&format!("/api/chat/{room}"), &[]).await;
    stream.message().await;
    for text in ALLOWED {
        let id = c.client.say(&room, text).await;
        let body: Value = serde_json::from_str(&one_block(&mut stream).await).expect("a message is JSON");
        assert_eq!((&body["text"], &body["id"]), (&json!(text), &json!(id.to_string())));
    }
    // The same from the replay.
    let mut again = c.client.open(&format!("/api/chat/{room}"), &[]).await;
    for (message, text) in again.plain(ALLOWED.len()).await.iter().zip(ALLOWED) {
        let body: Value = serde_json::from_str(&message.data).expect("a message is JSON");
        assert_eq!(body["text"], text);
    }
    let pair = r#"{"user":"a","text":"\ud83d\ude00"}"#;
    assert_eq!(c.client.post_json(&format!("/api/chat/{room}"), pair).await.json()["text"], "😀");
}

/// Readers that split lines as Python's `str.splitlines` does take these for the end of one.
async fn one_line_for_all(c: Context) {
    const ENDS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];
    let path = format!("/api/chat/{}", c.room());
    let text = "a\u{2028}\u{2028}data: forged\u{2029}b";
    let mut stream = c.client.open(&format!("{path}?lastEventId=%E2%80%A8%C2%85"), &[]).await;
    stream.message().await;
    let stored = c.client.post_json(&path, &json!({ "user": "a\u{2029}b", "text": text }).to_string()).await;
    stream.message().await;
    let message = format!("{path}/messages/{}", stored.json()["id"].as_str().expect("an id"));
    let written = [
        stream.text(),
        stored.text,
        c.client.get_json(&path).await.text,
        c.client.get_json(&message).await.text,
        c.client.open(&path, &[]).await.plain(1).await.remove(0).data,
    ];
    for said in &written {
        assert!(said.contains(r"a\u2028\u2028data: forged\u2029b") && !said.contains(ENDS), "{said:?}");
    }
    assert!(written[0].contains(r#""requested":"\u2028\u0085""#), "{:?}", written[0]);
    // A refusal that repeats what came, and a cursor that is repeated in a snapshot.
    for path in ["/api/stock?symbols=%E2%80%A8", &format!("{path}?lastEventId=%C2%85")] {
        let said = c.client.get_json(path).await.text;
        assert!(!said.contains(ENDS), "{path}: {said:?}");
    }
}

async fn names(c: Context) {
    let path = format!("/api/chat/{}", c.room());
    let mut stream = c.client.open(&path, &[]).await;
    stream.message().await;
    for user in [
        "data: x",
        ": x",
        "a\u{2028}b\u{2029}c",
        "\u{202e}abc",
        "\"}",
        "\\n",
        "</script>",
        "%0a%00",
        "👩\u{200d}👧",
    ] {
        let body = json!({ "user": user, "text": "hi" }).to_string();
        let answer = c.client.post_json(&path, &body).await;
        assert_eq!((answer.status, &answer.json()["user"]), (201, &json!(user)), "{answer:?}");
        assert_eq!(one_block(&mut stream).await, answer.text);
    }
}

async fn refused(c: Context) {
    let room = format!("/api/chat/{}", c.room());
    for control in ["\r", "\r\n", "\0", "\u{1b}", "\u{7f}", "\u{85}", "\u{9f}", "\u{b}", "\u{c}"] {
        for field in ["user", "text"] {
            let mut body = json!({ "user": "ada", "text": "hi" });
            body[field] = format!("a{control}b").into();
            let answer = c.client.post_json(&room, &body.to_string()).await;
            problem(&answer, 400, Some(field), &[field, "control characters"]);
        }
    }
    for control in ["\n", "\t"] {
        let body = json!({ "user": format!("a{control}b"), "text": "hi" });
        problem(
            &c.client.post_json(&room, &body.to_string()).await,
            400,
            Some("user"),
            &["control characters"],
        );
    }
    assert_eq!(c.client.get_json(&room).await.text, r#"{"messages":[],"cursor":"0"}"#, "nothing was stored");
}

async fn half_surrogates(c: Context) {
    let room = format!("/api/chat/{}", c.room());
    for half in [r"\ud800", r"\udc00", r"\ud83dx", r"\ud83d\u0041", r"\ude00\ud83d"] {
        for (field, body) in [
            ("text", format!(r#"{{"user":"ada","text":"{half}"}}"#)),
            ("user", format!(r#"{{"user":"{half}","text":"hi"}}"#)),
        ] {
            let answer = c.client.post_json(&room, &body).await;
            problem(&answer, 400, Some(field), &[field, "half a surrogate pair"]);
        }
    }
}

/// Bytes that no text has. Behind a REST API there are none to try: it passes a body on as text, and what it makes of such
/// bytes is not documented.
pub(super) fn not_text(c: &Context) -> &'static [&'static [u8]] {
    const ALL: &[&[u8]] = &[b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x8a", b"\xf4\x90\x80\x80"];
    if c.client.stage().is_empty() { ALL } else { &[] }
}

async fn not_utf8(c: Context) {
    for bad in not_text(&c) {
        let body = [&b"{\"user\":\"ada\",\"text\":\""[..], bad, b"\"}"].concat();
        let head = format!(
            "POST /api/chat/{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            c.room(),
            body.len()
        );
        let answer = c.client.raw(&[head.as_bytes(), &body].concat()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{bad:?}: {answer}");
    }
}

/// Asks for a snapshot, which ends, and answers its status line and the rest.
async fn get(c: &Context, path: &[u8], header: &[u8]) -> (String, String) {
    let accept: &[u8] = b"\r\nHost: x\r\nConnection: close\r\nAccept: application/json\r\n\r\n";
    let answer = c
        .client
        .raw(&[b"GET ", c.client.stage().as_bytes(), path, b" HTTP/1.1", header, accept].concat())
        .await;
    let (status, rest) = answer.split_once("\r\n").unwrap_or_default();
    (status.to_owned(), rest.to_owned())
}

async fn any_cursor(c: Context) {
    let path = format!("/api/chat/{}", c.room());
    let nines = "9".repeat(12_000);
    for cursor in
        [&b"\xff"[..], b"a\xc3\x28b", b"\xed\xa0\x80", "\u{e9}".as_bytes(), b"1, 2", nines.as_bytes()]
    {
        let header = [b"\r\nLast-Event-ID: ", cursor].concat();
        let (status, rest) = get(&c, path.as_bytes(), &header).await;
        assert!(status == "HTTP/1.1 200 OK" && rest.contains("unknown"), "{cursor:?}: {status} {rest}");
    }
    for cursor in ["%zz", "%", "%ff%fe", "%C3%28", &nines] {
        let (status, rest) = get(&c, format!("{path}?lastEventId={cursor}").as_bytes(), b"").await;
        assert!(status == "HTTP/1.1 200 OK" && rest.contains("unknown"), "{cursor:?}: {status} {rest}");
    }
}

async fn any_path(c: Context) {
    let long = format!("/api/chat/{}", "a".repeat(10_000));
    for (path, code) in [
        ("/api/chat/%2e%2e/messages/1", 404),
        ("/api/chat/%2e%2e%2fhealthz", 400),
        ("//api/chat", 404),
        ("/api/chat/%ff", 400),
        ("/api/chat/%zz", 400),
        ("/api/chat/a%2f..%2f..%2fevents", 400),
        ("/api/chat/a/messages/%ff", 404),
        ("/api/events?topics=%ff", 400),
        ("/api/stock?symbols=%00", 400),
        ("/api/chat?history=1%00", 400),
        ("/assets/../../xtask/serve.mjs", 404),
        (&long, 400),
    ] {
        let (status, rest) = get(&c, path.as_bytes(), b"").await;
        assert!(status.starts_with(&format!("HTTP/1.1 {code} ")), "{path}: {status} {rest}");
        assert!(rest.contains("application/problem+json"), "{path}: {rest}");
    }
}
