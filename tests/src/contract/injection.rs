//! Attacks from outside, each a statement whose doc comment is the attack.
//!
//! More of them stand where their rule does: what users and texts of a chat try is in [`super::hostile`], bodies that are
//! too large, of other types or no JSON in [`super::errors`], tokens in other places in [`super::tokens`].

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::attack::*;
use super::crowds::{ABREAST, PER_SENDER, crowd, knock};
use super::hostile::not_text;
use super::publishing::{publish, publisher};
use super::rates::{BURST, INTERVAL};
use super::resume::url_encoded;
use super::tokens::{COOKIE, JSON, cookie, post_by_cookie};
use super::{Case, Context, first_block, first_gap, problem};
use crate::client::Answer;
use crate::token::*;

pub(super) const CASES: &[Case] = cases! {
    "Streams", "no name breaks its line: topic, event, symbol and room" => names;
    "Streams", "no string and no key of data breaks its line" => data;
    "Streams", "no sub breaks its line" => subs;
    "Streams", "no cursor breaks its line, from the query or the header" => cursors;
    "Chat rooms", "no Idempotency-Key breaks its line" => keys;
    "Access", "a token without a signature is refused, whatever it calls its algorithm" => alg_none;
    "Access", "a token of another algorithm is refused, whatever signed it" => alg_confusion;
    "Access", "a token that names its own key is refused" => own_key;
    "Access", "a token that was cut or changed is refused" => bits;
    "Access", "a token in another form is refused" => forms;
    "Access", "a token with bytes that no token has is refused, and not taken for none" => bytes;
    "Access", "claims of other types, and none about time, are refused" => claims;
    "Access", "a token that is too long is refused" => long_tokens;
    "Access", "a pattern that is none grants nothing" => patterns;
    "Access", "a room is only what its name says, however it is written" => paths;
    "Access", "a link with a token replaces nobody's own" => links;
    "Access", "a page of another site cannot post with the user's cookie" => cross_site;
    "Errors", "a body without an end is 413 or cut off, and so is one that only says so" => endless_bodies;
    "Errors", "slow bodies and slow heads hold nobody up" => slow_bodies;
    "Errors", "compressed bodies are not unpacked" => compressed;
    "Errors", "bodies that two readers could read differently are refused" => ambiguous;
    "Errors", "deep nesting is no failure of the server" => nesting;
    "Errors", "numbers out of range are refused as prices and kept as data" => numbers;
    "Errors", "bytes that are no text are refused wherever text is" => no_text;
    "Errors", "many and long headers are no failure of the server" => headers;
    "Errors", "headers that HTTP does not allow end nobody's stream" => header_bytes;
};

pub(super) const RATES: &[Case] = cases! {
    "Access", "no header makes another sender of a client" => forged_addresses;
};

pub(super) const CROWD: &[Case] = cases! {
    "Errors", "a thousand connects of one sender are as many streams as it may have" => thousand_connects;
};

// --- Lines ---

/// A line break in what names something, by body and by URL.
async fn names(c: Context) {
    let publisher = publisher(&c);
    for (name, line_break) in BREAKS {
        for text in [format!("A{line_break}"), format!("{line_break}A"), forged(line_break)] {
            let bodies = [
                ("/api/events", "topic", json!({ "topic": text, "data": 1 })),
                ("/api/events", "event", json!({ "topic": "a", "data": 1, "event": text })),
                ("/api/stock", "symbol", json!({ "symbol": text, "price": 1 })),
            ];
            for (path, field, body) in bodies {
                let answer = publisher.post_json(path, &body.to_string()).await;
                assert_eq!(answer.status, 400, "{name} in {field}: {answer:?}");
                problem(&answer, 400, Some(field), &[]);
                is_clean(name, &answer.text);
            }
            let encoded = url_encoded(&text);
            for (path, field) in [
                (format!("/api/chat/{encoded}"), "room"),
                (format!("/api/chat/{encoded}/messages/1"), "room"),
                (format!("/api/events?topics={encoded}"), "topics"),
                (format!("/api/stock?symbols={encoded}"), "symbols"),
            ] {
                let answer = c.client.get(&path, &[]).await;
                assert_eq!(answer.status, 400, "{name} in {path}: {answer:?}");
                problem(&answer, 400, Some(field), &[]);
                is_clean(name, &answer.text);
            }
        }
    }
}

/// A line break in the strings and keys of what is published, which may hold anything.
async fn data(c: Context) {
    let (publisher, topic) = (publisher(&c), c.room());
    let path = format!("/api/events?tick=off&topics={topic}");
    let mut live = c.client.open(&path, &[]).await;
    first_block(&mut live).await;
    for (name, line_break) in BREAKS {
        let text = forged(line_break);
        let data = json!({ text.clone(): [text, { "nested": text }] });
        let body = json!({ "topic": topic, "data": data });
        let stored = publish(&publisher, "/api/events", &body.to_string()).await;
        assert_eq!(one_block(&mut live).await, stored, "{name}");
        let mut replayed = c.client.open(&format!("{path}&history=1"), &[]).await;
        first_block(&mut replayed).await;
        assert_eq!(one_block(&mut replayed).await, stored, "{name}, replayed");
        let heard: Value = serde_json::from_str(&stored).expect("a notification is JSON");
        assert_eq!(heard["data"], data, "{name} arrives");
    }
}

/// A line break in the name that a token gives its holder.
async fn subs(c: Context) {
    let path = format!("/api/chat/{}", c.room());
    let mut live = c.client.open(&path, &[]).await;
    first_block(&mut live).await;
    for (name, line_break) in BREAKS {
        let sub = format!("a{line_break}data: forged");
        let holder = insider(&c, &sub);
        assert_eq!(holder.get_json(&path).await.status, 200, "{name}: reading shows no name");
        let answer = holder.post_json(&path, r#"{"text":"hi"}"#).await;
        if matches!(name, "LS" | "PS") {
            assert_eq!((answer.status, &answer.json()["user"]), (201, &json!(sub)), "{name}");
            assert_eq!(one_block(&mut live).await, answer.text, "{name}");
        } else {
            problem(&answer, 403, Some("user"), &["sub"]);
            is_clean(name, &answer.text);
        }
    }
    let said = c.client.get_json(&path).await.json();
    assert_eq!(said["messages"].as_array().map(Vec::len), Some(2), "{said}");
}

/// A line break in a cursor, or the end of its JSON string, which a gap repeats.
async fn cursors(c: Context) {
    let room = format!("/api/chat/{}?history=0", c.room());
    let breaks = BREAKS.map(|(name, line_break)| (name, forged(line_break)));
    let others =
        ["\"},{\"", "\u{feff}1", "\\", &"😀".repeat(70)].map(|cursor| ("a cursor", cursor.to_owned()));
    for (name, cursor) in breaks.iter().chain(&others) {
        let requested: String = cursor.chars().take(64).collect();
        for path in [&*room, "/api/events?tick=off", "/api/stock?history=0"] {
            let by_query = format!("{path}&lastEventId={}", url_encoded(cursor));
            let mut stream = c.client.open(&by_query, &[]).await;
            first_gap(&mut stream, "unknown", &requested).await;
            let text = stream.text();
            let ends = text.bytes().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
            assert_eq!(ends, 5, "{name}: retry, event, id, data and a blank line: {text:?}");

            // Some end a header, or may not be in one.
            let header = format!("Accept: application/json\r\nLast-Event-ID: {cursor}\r\n\r\n");
            let (status, heard) = exchange(&c, &[head(&c, "GET", path), header.into_bytes()].concat()).await;
            assert!(matches!(status, Some(200 | 400) | None), "{name} in the header: {heard}");
            is_clean(name, &heard);
            if matches!(*name, "NEL" | "LS" | "PS" | "a cursor") {
                let mut stream = c.client.open(path, &[("Last-Event-ID", cursor)]).await;
                assert_eq!(stream.message().await.event, "gap", "{name} in the header");
                is_clean(name, &stream.text());
            }
        }
    }
}

/// A line break in an Idempotency-Key: neither does it reach the head of an answer, nor is it a key.
async fn keys(c: Context) {
    const HI: &str = r#"{"user":"ada","text":"hi"}"#;
    let path = format!("/api/chat/{}", c.room());
    for (name, line_break) in BREAKS {
        let key = forged(line_break);
        let (status, heard) =
            exchange(&c, &post(&c, &path, &format!("Idempotency-Key: {key}\r\n"), HI.as_bytes())).await;
        is_clean(name, &heard);
        match name {
            // To HTTP the header has ended, and what follows are others.
            "LF" | "CRLF" => assert!(matches!(status, Some(201 | 400) | None), "{name}: {heard}"),
            _ => assert!(matches!(status, Some(400) | None), "{name}: {heard}"),
        }
    }
}

// --- Tokens ---

/// Claims that would do everything.
fn everything() -> String {
    json!({ "sub": "root", "exp": now() + 3_600, "subscribe": ["*"], "publish": ["*"] }).to_string()
}

/// `alg: none` in every spelling: without a signature, with an empty one, and with one that is right.
async fn alg_none(c: Context) {
    is_taken(&c, "the same with HS256", &signed(SECRET, HEADER, everything())).await;
    for alg in [r#""none""#, r#""None""#, r#""NONE""#, r#""nOnE""#, r#""none ""#, r#""""#, "null", "[]"] {
        let header = format!(r#"{{"alg":{alg},"typ":"JWT"}}"#);
        let unsigned = unsigned(&header, everything());
        for token in [unsigned.clone(), format!("{unsigned}."), signed(SECRET, &header, everything())] {
            is_refused(&c, alg, &token, "").await;
        }
    }
    for header in ["{}", r#"{"typ":"JWT"}"#, "null", "\"HS256\""] {
        is_refused(&c, header, &signed(SECRET, header, everything()), "").await;
    }
}

/// A header that names another algorithm, so that a server that does what it says checks nothing, or checks with the
/// wrong kind of key.
async fn alg_confusion(c: Context) {
    for alg in
        ["RS256", "ES256", "PS256", "EdDSA", "HS384", "HS512", "hs256", "Hs256", "HS256 ", "HMAC", "dir"]
    {
        let header = format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#);
        let by_rsa = format!("{}.{}", unsigned(&header, everything()), part([0x5a; 256]));
        for token in [
            signed(SECRET, &header, everything()),
            signed("", &header, everything()),
            signed_by_sha512(SECRET, &header, everything()),
            by_rsa,
        ] {
            is_refused(&c, alg, &token, "algorithm").await;
        }
    }
    is_refused(&c, "a SHA-512 under HS256", &signed_by_sha512(SECRET, HEADER, everything()), "").await;
}

/// A header that brings the key along, or says where it is; and the keys that a careless server has.
async fn own_key(c: Context) {
    let jwk = format!(r#""jwk":{{"kty":"oct","k":"{}"}}"#, part(FOREIGN));
    for more in [
        jwk.as_str(),
        r#""kid":"../../../../dev/null""#,
        r#""kid":"' UNION SELECT 'a"#,
        r#""jku":"http://127.0.0.1:1/keys""#,
        r#""x5u":"http://127.0.0.1:1/key""#,
    ] {
        let header = format!(r#"{{"alg":"HS256",{more}}}"#);
        for key in [FOREIGN, "", "a", "secret", "undefined", "null"] {
            is_refused(&c, &header, &signed(key, &header, everything()), "").await;
        }
    }
    // What the header says in vain is no fault; what must be understood and is not, is one.
    is_taken(&c, "kid", &signed(SECRET, r#"{"alg":"HS256","kid":"1"}"#, everything())).await;
    let critical = r#"{"alg":"HS256","crit":["exp"],"exp":1}"#;
    is_refused(&c, "crit", &signed(SECRET, critical, everything()), "").await;
}

/// Every byte of the signature with one bit turned, some of the rest, and every place at which a token can be cut.
async fn bits(c: Context) {
    let good = signed(SECRET, HEADER, everything());
    is_taken(&c, "the token as it was", &good).await;
    let (message, signature) = good.rsplit_once('.').expect("three parts");
    let signature = bytes_of(signature);
    assert_eq!(signature.len(), 32);
    for at in 0..signature.len() {
        let mut turned = signature.clone();
        turned[at] ^= 1 << (at % 8);
        is_refused(&c, &format!("byte {at} of the signature"), &format!("{message}.{}", part(turned)), "")
            .await;
    }
    for cut in [&signature[..31], &signature[1..], &signature[..16], &signature[..0]] {
        is_refused(&c, "a shorter signature", &format!("{message}.{}", part(cut)), "").await;
    }
    is_refused(&c, "a longer signature", &format!("{message}.{}", part([&*signature, b"a"].concat())), "")
        .await;
    for at in (0..message.len()).step_by(7) {
        let mut changed = good.clone();
        let other = if changed.as_bytes()[at] == b'A' { "B" } else { "A" };
        changed.replace_range(at..=at, other);
        is_refused(&c, &format!("character {at}"), &changed, "").await;
    }
    for at in (1..good.len()).step_by(5).chain(good.len() - 43..good.len()) {
        is_refused(&c, &format!("cut at {at}"), &good[..at], "").await;
    }
    let more =
        json!({ "exp": now() + 3_600, "subscribe": ["*"], "publish": ["*"], "sub": "other" }).to_string();
    let (_, theirs) = message.split_once('.').expect("two parts");
    is_refused(&c, "other claims", &good.replace(theirs, &part(more)), "").await;
}

/// What is nearly a token.
async fn forms(c: Context) {
    let good = signed(SECRET, HEADER, everything());
    let [header, claims, signature] = *good.split('.').collect::<Vec<_>>() else { panic!("three parts") };
    for token in [
        ".".to_owned(),
        "..".into(),
        "...".into(),
        format!("{header}.{claims}"),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!(".{good}"),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{good}="),
        format!("{header}=.{claims}.{signature}"),
        format!("{good}%00"),
        format!("{header} .{claims}.{signature}"),
        format!("{header}.{claims}.{signature},{good}"),
        good.replace('.', ":"),
        good.to_uppercase(),
        json!({ "protected": header, "payload": claims, "signature": signature }).to_string(),
    ] {
        is_refused(&c, "a form", &token, "").await;
    }
}

/// A token in bytes that are no ASCII, so that a reader of text does not see that there is one, and goes on to the next.
async fn bytes(c: Context) {
    let good = grants(&["*"], &["*"]);
    for bad in ["\u{e9}", &format!("{good}\u{e9}"), &format!("\u{feff}{good}"), "\u{ff0e}\u{ff0e}"] {
        is_refused(&c, "in the header", bad, "").await;
        for headers in [
            &[(COOKIE, &*format!("ssedge_token={bad}"))][..],
            &[("Authorization", &format!("Bearer {bad}")), (COOKIE, &cookie(&good))],
            &[(COOKIE, &format!("ssedge_token={bad}; ssedge_token={good}"))],
        ] {
            problem(&c.client.get("/api/chat", headers).await, 401, None, &["token"]);
        }
        let query = format!("/api/chat?access_token={}", url_encoded(bad));
        problem(&c.client.get_json(&query).await, 401, None, &["token"]);
    }
}

/// Signed claims of types that a careless reader takes for others, or for absent, or that are too much for it.
async fn claims(c: Context) {
    let good = now() + 3_600;
    for (claims, word) in [
        (json!({ "subscribe": ["*"] }), "exp"),
        (json!({ "exp": null, "subscribe": ["*"] }), "exp"),
        (json!({ "exp": good.to_string() }), "exp"),
        (json!({ "exp": "9e99" }), "exp"),
        (json!({ "exp": good * 1_000 }), "seconds"),
        (json!({ "exp": true }), "exp"),
        (json!({ "exp": [good] }), "exp"),
        (json!({ "exp": { "at": good } }), "exp"),
        (json!({ "exp": 0 }), "expired"),
        (json!({ "exp": -1 }), "expired"),
        (json!({ "exp": -9_223_372_036_854_775_808_i64 }), ""),
        (json!({ "exp": 1.5 }), ""),
        (json!({ "exp": 9_223_372_036_854_775_807_i64 }), "exp"),
        (json!({ "exp": u64::MAX }), "exp"),
        (json!({ "exp": good, "nbf": "0" }), "nbf"),
        (json!({ "exp": good, "nbf": u64::MAX }), "nbf"),
        (json!({ "exp": good, "nbf": good }), "nbf"),
        (json!({ "exp": good, "sub": 1 }), "sub"),
        (json!({ "exp": good, "sub": ["ada"] }), "sub"),
        (json!({ "exp": good, "subscribe": "*" }), "subscribe"),
        (json!({ "exp": good, "subscribe": [1] }), "subscribe"),
        (json!({ "exp": good, "subscribe": { "*": true } }), "subscribe"),
        (json!({ "exp": good, "publish": "*" }), "publish"),
        (json!({ "exp": good, "publish": [["*"]] }), "publish"),
        (json!([{ "exp": good }]), ""),
        (json!("exp"), ""),
        (json!(good), ""),
        (json!(null), ""),
    ] {
        let claims = claims.to_string();
        is_refused(&c, &claims, &signed(SECRET, HEADER, &claims), word).await;
    }
    for claims in [
        String::new(),
        "{".into(),
        format!(r#"{{"exp":{good}}} x"#),
        r#"{"exp":1e999}"#.into(),
        format!(r#"{{"exp":{good}000000000000000000}}"#),
        format!(r#"{{"exp":{good},"exp":1}}"#),
        format!(r#"{{"exp":{good},"sub":"\ud800"}}"#),
        format!(r#"{{"exp":{good},"a":{}}}"#, "[".repeat(3_000)),
    ] {
        is_refused(&c, &claims, &signed(SECRET, HEADER, &claims), "").await;
    }
    let not_utf8 = [format!(r#"{{"exp":{good},"sub":""#).as_bytes(), b"\xff\xfe", br#""}"#].concat();
    is_refused(&c, "no UTF-8", &signed(SECRET, HEADER, not_utf8), "").await;
    // The earliest and the latest that calendars of computers go to.
    for nbf in [i64::MIN, -8_334_601_228_800, -62_167_219_201, -1, 0] {
        let claims = json!({ "exp": good, "nbf": nbf, "subscribe": ["*"] }).to_string();
        let answer = c.client.bearing(&signed(SECRET, HEADER, &claims)).get_json("/api/chat").await;
        assert!(matches!(answer.status, 200 | 401), "{claims}: {answer:?}");
    }
    let until = |exp: u64| token(json!({ "exp": exp, "subscribe": ["*"] }));
    is_taken(&c, "a time far away", &until(now() + 399 * 24 * 3_600)).await;
    is_refused(&c, "the last time there is", &until(253_402_300_799), "days").await;
}

/// A token as long as the server's patience, in the header and in the query.
async fn long_tokens(c: Context) {
    const MAX: usize = 8 * 1024;
    let of = |pad: usize| token(json!({ "subscribe": ["*"], "pad": "x".repeat(pad) }));
    let by_length = || (5_800..).map(of);
    let fits = by_length().take_while(|token| token.len() <= MAX).last().expect("some are short enough");
    let over = by_length().find(|token| token.len() > MAX).expect("some are not");
    assert!(MAX - fits.len() < 3 && over.len() - MAX < 3, "{} {}", fits.len(), over.len());
    is_taken(&c, "just short enough", &fits).await;
    for long in [over, of(10 * 1024)] {
        is_refused(&c, "a long token", &long, "8192").await;
        let query = c.client.get_json(&format!("/api/chat?access_token={long}")).await;
        problem(&query, 401, None, &["token", "8192"]);
    }
    let many: Vec<_> = (0..400).map(|n| format!("chat/r{n}")).chain(["chat/lobby".into()]).collect();
    is_taken(&c, "many grants", &token(json!({ "subscribe": many }))).await;
}

/// Patterns that would be more than they seem, if they were decoded, folded, normalised or read as a glob.
async fn patterns(c: Context) {
    for pattern in [
        "",
        " ",
        "**",
        "*/",
        "/*",
        "/**",
        "*/*",
        "*chat",
        "chat",
        "chat*",
        "chat/**",
        "chat/*/x",
        "chat/l*",
        "chat/lobb",
        "chat/lobby/",
        "chat/lobby/*",
        "chat/lobby\n",
        " chat/*",
        "chat/* ",
        "chat//*",
        "/chat/*",
        "./chat/*",
        "Chat/*",
        "CHAT/LOBBY",
        "chatx/*",
        "cha/*",
        "chat/../*",
        "chat/../events",
        "chat/..",
        "chat/./lobby",
        "chat%2f*",
        "chat/%2a",
        "chat%2Flobby",
        "%2a",
        "chat\\*",
        "chat/?????",
        "chat/[a-z]*",
        "chat/.*",
        "event",
        "eventss",
        "events*",
        "events/../*",
        "stoc",
        "stock/*",
        "stock*",
        "\u{ff0a}",
        "chat/\u{ff0a}",
        "*\0",
        "chat/*\0",
        "c\u{4bb}at/*",
        "*,*",
        "subscribe *",
    ] {
        let holder = c.client.bearing(&grants(&[pattern], &[pattern]));
        for path in ["/api/chat", "/api/chat/other", "/api/stock", "/api/events", "/api/events?topics=orders"]
        {
            let answer = holder.get_json(path).await;
            assert_eq!(answer.status, 403, "subscribe {pattern:?} reads {path}: {answer:?}");
        }
        for (path, body) in [
            ("/api/chat", r#"{"user":"ada","text":"hi"}"#),
            ("/api/stock", r#"{"symbol":"ACME","price":1}"#),
            ("/api/events", r#"{"topic":"orders","data":1}"#),
        ] {
            let answer = holder.post_json(path, body).await;
            assert_eq!(answer.status, 403, "publish {pattern:?} writes {path}: {answer:?}");
        }
    }
    let beside = c.client.bearing(&grants(&["**", "", "chat/lobby", "*/"], &[]));
    assert_eq!(beside.get_json("/api/chat").await.status, 200, "what is none takes nothing from the others");
}

/// Rooms and topics that would be another channel's, if a path were decoded twice, folded or normalised.
async fn paths(c: Context) {
    let holder = c.client.bearing(&grants(&["chat/*"], &["chat/*"]));
    for path in [
        "/api/chat/..%2fevents",
        "/api/chat/%2e%2e%2fevents",
        "/api/chat/%2e%2e/events",
        "/api/chat/%252e%252e%252fevents",
        "/api/chat/..%5cevents",
        "/api/chat/LOBBY",
        "/api/chat/%4cobby",
        "/api/chat/*",
        "/api/chat/%2a",
        "/api/chat/%00",
        "/api/chat/lobby%00",
        "/api/chat/lobby%2f..%2fother",
        "/api/chat/",
        "//api/chat/lobby",
        "/api//chat/lobby",
        "/api/chatx/a",
        "/API/chat/lobby",
        "/api%2fchat%2flobby",
        "/api/chat/lobby;v=1",
        "/api/chat/../events",
        "/api/chat/lobby/../../stock",
    ] {
        // The client would tidy the path.
        let token = grants(&["chat/*"], &["chat/*"]);
        let header = format!("Authorization: Bearer {token}\r\nAccept: application/json\r\n\r\n");
        let (status, heard) = exchange(&c, &[head(&c, "GET", path), header.into_bytes()].concat()).await;
        assert!(matches!(status, Some(400 | 403 | 404)), "{path}: {heard}");
        let header = format!("Authorization: Bearer {token}\r\n");
        let (status, heard) = exchange(&c, &post(&c, path, &header, br#"{"user":"ada","text":"hi"}"#)).await;
        assert!(matches!(status, Some(400 | 403 | 404 | 405)), "{path}: {heard}");
    }
    assert_eq!(holder.get_json("/api/chat/%6cobby").await.status, 200, "once it is decoded");
    let topics = c.client.bearing(&grants(&["events/orders"], &[]));
    for topics_of in [
        "orders,news",
        "orders%2Cnews",
        "orders%00",
        "..",
        "Orders",
        "orders&topics=news",
        "news&topics=orders",
    ] {
        let answer = topics.get_json(&format!("/api/events?topics={topics_of}")).await;
        assert!(matches!(answer.status, 400 | 403), "{topics_of}: {answer:?}");
    }
}

/// A link that carries the attacker's token, so that the user who follows it speaks in the attacker's name, or reads the
/// attacker's channel for the own one; and two tokens where one is asked for.
async fn links(c: Context) {
    let of = |sub: &str| token(json!({ "sub": sub, "subscribe": ["*"], "publish": ["*"] }));
    let (user, attacker) = (of("user"), of("attacker"));
    let own = format!("http://{}", c.client.authority());
    let path = format!("/api/chat/{}", c.room());
    let link = format!("{path}?access_token={attacker}");
    let cookie = cookie(&user);
    let by_cookie =
        c.client.post(&link, &[JSON, (COOKIE, &cookie), ("Origin", &own)], r#"{"text":"hi"}"#).await;
    assert_eq!(by_cookie.json()["user"], "user", "{by_cookie:?}");
    let by_header = c.client.bearing(&user).post_json(&link, r#"{"text":"hi"}"#).await;
    assert_eq!(by_header.json()["user"], "user", "{by_header:?}");
    // Nor is a bad token mended by a good one behind it.
    let query = format!("access_token=x&access_token={user}");
    let name = "access_token";
    problem(&c.client.get_json(&format!("{path}?{query}")).await, 400, Some(name), &[name, "once"]);
    let query = format!("access_token=x%26access_token={user}");
    problem(&c.client.get_json(&format!("{path}?{query}")).await, 401, None, &["token"]);
    // No answer repeats the token of its address.
    for answer in
        [c.client.get(&link, &[("Accept", "text/html")]).await, c.client.get_json(&format!("{link}x")).await]
    {
        assert!(
            !answer.text.contains(&attacker) && !format!("{:?}", answer.headers).contains(&attacker),
            "{answer:?}"
        );
    }
}

/// A page of another site that lets the user's browser post, which adds the cookie by itself.
async fn cross_site(c: Context) {
    let path = format!("/api/chat/{}", c.room());
    let host = c.client.authority().to_owned();
    for origin in [
        None,
        Some("null"),
        Some(""),
        Some("*"),
        Some("https://b.example"),
        Some("http://a.example"),
        Some("https://a.example.evil"),
        Some("https://evil-a.example"),
        Some("https://a.example:8443"),
        Some("https://a.example/"),
        Some("https://a.example, https://b.example"),
        Some("HTTPS://A.EXAMPLE"),
        Some(&*host),
        // Over another scheme anybody on the way may have written the page.
        Some(&*format!("https://{host}")),
        Some(&*format!("http://{host}.evil")),
        Some(&*format!("http://{host}@evil")),
        Some(&*format!("http://evil@{host}")),
        Some(&*format!("http://evil/{host}")),
        Some("http://127.0.0.1:1"),
    ] {
        let answer: Answer = post_by_cookie(&c, &path, origin).await;
        assert_eq!(answer.status, 403, "{origin:?}: {answer:?}");
        problem(&answer, 403, Some("Origin"), &["Origin"]);
        assert_eq!(answer.json()["type"], "urn:ssedge:problem:origin");
    }
    // A form needs no leave of the browser, but sends no JSON.
    let cookie = cookie(&grants(&["*"], &["*"]));
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    {
        let headers = [(COOKIE, &*cookie), ("Content-Type", content_type), ("Origin", "https://b.example")];
        let answer = c.client.post(&path, &headers, r#"{"user":"ada","text":"hi"}"#).await;
        assert!(matches!(answer.status, 403 | 415), "{content_type}: {answer:?}");
    }
    assert_eq!(c.client.get_json(&path).await.text, r#"{"messages":[],"cursor":"0"}"#, "nothing was said");
}

// --- Bodies ---

/// A body that goes on for ever, in chunks; and one that is said to be of any length.
async fn endless_bodies(c: Context) {
    /// Above what the platforms themselves take.
    const MOST: usize = 64 << 20;
    let path = format!("/api/chat/{}", c.room());
    let chunk = [b"4000\r\n", &[b' '; 0x4000][..], b"\r\n"].concat();
    let mut connection = c.client.connect().await;
    connection.send(&post_head(&c, &path, "Transfer-Encoding: chunked\r\n")).await;
    let status = pour(&mut connection, &chunk, MOST).await;
    assert!(matches!(status, Some(413) | None), "{status:?}");
    is_well(&c).await;
    for length in
        ["32769", "4294967297", "9223372036854775807", "18446744073709551616", "-1", "1e3", "0x10", "1, 2"]
    {
        let mut connection = c.client.connect().await;
        connection.send(&post_head(&c, &path, &format!("Content-Length: {length}\r\n"))).await;
        connection.send(&[b' '; 32_769]).await;
        let status = connection.status().await;
        assert!(matches!(status, Some(400 | 413) | None), "{length}: {status:?}");
    }
    is_well(&c).await;
    assert_eq!(c.client.get_json(&path).await.text, r#"{"messages":[],"cursor":"0"}"#, "nothing was said");
}

/// As many requests as a server may have threads for, of which each sends a byte now and then, in the head or the body.
async fn slow_bodies(c: Context) {
    const EACH: usize = 60;
    let body = br#"{"user":"ada","text":"at last"}"#;
    let path = format!("/api/chat/{}", c.room());
    let head = post_head(&c, &path, &format!("Content-Length: {}\r\n", body.len()));
    let mut in_body = join_all((0..EACH).map(|_| c.client.connect())).await;
    let mut in_head = join_all((0..EACH).map(|_| c.client.connect())).await;
    for connection in &mut in_body {
        assert!(connection.send(&head).await);
    }
    for at in 0..10 {
        for connection in &mut in_body {
            assert!(connection.send(&body[at..=at]).await && !connection.is_answered().await);
        }
        for connection in &mut in_head {
            connection.send(&head[at..=at]).await;
        }
        is_well(&c).await;
        sleep(Duration::from_millis(50)).await;
    }
    drop(in_head);
    for mut connection in in_body {
        connection.send(&body[10..]).await;
        assert_eq!(connection.status().await, Some(201), "who is slow is served in the end");
    }
    assert_eq!(c.client.get_json(&format!("{path}?history=200")).await.text.matches("at last").count(), EACH);
}

/// `{"user":"ada","text":"hi"}`, by gzip.
const GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xabV*-N-R\xb2RJLIT\xd2Q*I\xad(\x01r22\x95j\x01,\xe2i\x8c\x1a\x00\x00\x00";

/// A body that is small and becomes large, or that hides from whoever looks at it on the way.
async fn compressed(c: Context) {
    let path = format!("/api/chat/{}", c.room());
    for (coding, expected) in [
        ("Content-Encoding: gzip\r\n", 415),
        ("Content-Encoding: br\r\n", 415),
        ("Content-Encoding: deflate, gzip\r\n", 415),
        ("", 400),
    ] {
        let (status, heard) = exchange(&c, &post(&c, &path, coding, GZIP)).await;
        assert_eq!(status, Some(expected), "{coding:?}: {heard}");
    }
    let request = post_head(&c, &path, "Transfer-Encoding: gzip, chunked\r\n");
    let chunk = [format!("{:x}\r\n", GZIP.len()).as_bytes(), GZIP, b"\r\n0\r\n\r\n"].concat();
    let (status, heard) = exchange(&c, &[request, chunk].concat()).await;
    assert!(matches!(status, Some(400..=499 | 501) | None), "gzip on the way: {heard}");
    is_well(&c).await;
}

/// Keys that come twice, of which two readers take two values; and other charsets, in which bytes are other letters.
async fn ambiguous(c: Context) {
    let (publisher, path) = (c.client.bearing(&grants(&[], &["*"])), format!("/api/chat/{}", c.room()));
    for (path, body) in [
        (&*path, r#"{"user":"ada","user":"eve","text":"hi"}"#),
        (&path, r#"{"user":"ada","text":"hi","\u0074ext":"ho"}"#),
        ("/api/events", r#"{"topic":"a","topic":"b","data":1}"#),
        ("/api/events", r#"{"topic":"a","data":1,"data":2}"#),
        ("/api/events", r#"{"topic":"a","data":1,"event":"a","event":"b"}"#),
        ("/api/stock", r#"{"symbol":"ACME","symbol":"ONE","price":1}"#),
        ("/api/stock", r#"{"symbol":"ACME","price":1,"price":2}"#),
    ] {
        let answer = publisher.post_json(path, body).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        problem(&answer, 400, None, &["JSON object"]);
    }
    let utf16: Vec<u8> = r#"{"user":"ada","text":"hi"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for body in [utf16.clone(), [&b"\xff\xfe"[..], &utf16].concat()] {
        let (status, heard) = exchange(&c, &post(&c, &path, "", &body)).await;
        assert_eq!(status, Some(400), "UTF-16 that is said to be UTF-8: {heard}");
    }
    for charset in ["utf-16", "utf-7", "iso-8859-1", "utf8; charset=utf-16", ""] {
        let content_type = format!("application/json; charset={charset}");
        let answer =
            c.client.post(&path, &[("Content-Type", &content_type)], r#"{"user":"ada","text":"hi"}"#).await;
        problem(&answer, 415, Some("Content-Type"), &["UTF-8"]);
    }
    assert_eq!(c.client.get_json(&path).await.text, r#"{"messages":[],"cursor":"0"}"#, "nothing was said");
}

/// Ten thousand brackets, for whoever reads them by recursion; open, and as deep as fits when they are closed.
async fn nesting(c: Context) {
    const DEEP: usize = 8_000;
    let (publisher, topic) = (c.client.bearing(&grants(&[], &["*"])), c.room());
    let chat = format!("/api/chat/{}", c.room());
    for open in ["[", "{\"a\":"] {
        let open = open.repeat(10_000 / open.len());
        for (path, body) in [
            ("/api/events", format!(r#"{{"topic":"{topic}","data":{open}"#)),
            ("/api/stock", format!(r#"{{"symbol":"ACME","price":{open}"#)),
            (&chat, format!(r#"{{"user":"ada","text":{open}"#)),
            (&chat, open.clone()),
        ] {
            let answer = publisher.post_json(path, &body).await;
            assert_eq!(answer.status, 400, "{body:.60}: {answer:?}");
        }
    }
    let deep = format!("{}{}", "[".repeat(DEEP), "]".repeat(DEEP));
    let body = format!(r#"{{"topic":"{topic}","data":{deep}}}"#);
    let answer = publisher.post_json("/api/events", &body).await;
    assert!(matches!(answer.status, 201 | 400), "{answer:?}");
    let path = format!("/api/events?tick=off&history=1&topics={topic}");
    if answer.status == 201 {
        let mut stream = c.client.open(&path, &[]).await;
        first_block(&mut stream).await;
        assert_eq!(one_block(&mut stream).await, answer.text);
        assert!(answer.text.contains(&deep), "as it was sent");
    }
    assert_eq!(c.client.get_json(&path).await.status, 200, "a snapshot with what was stored");
    is_well(&c).await;
}

/// Numbers that become infinite, or others, in whoever reads them into a double.
async fn numbers(c: Context) {
    let (publisher, topic) = (publisher(&c), c.room());
    for number in [
        "1e999",
        "-1e999",
        "1e-999",
        "1E400",
        "99999999999999999999",
        "9999999999999.999",
        "-0",
        "0.0",
        "1e0",
        "1e+2",
    ] {
        let answer =
            publisher.post_json("/api/stock", &format!(r#"{{"symbol":"ACME","price":{number}}}"#)).await;
        assert_eq!(answer.status, 400, "{number}: {answer:?}");
        problem(&answer, 400, Some("price"), &["price"]);
    }
    for number in
        ["1e999", "-1e999", "1e-999", "9007199254740993", "0.1e-7", "123456789012345678901234567890.5"]
    {
        let body = format!(r#"{{"topic":"{topic}","data":[{number}]}}"#);
        let stored = publish(&publisher, "/api/events", &body).await;
        assert!(stored.ends_with(&format!(r#""data":[{number}]}}"#)), "{number} became {stored}");
    }
    let tick = c.client.get("/api/events?tick=1e999", &[]).await;
    problem(&tick, 400, Some("tick"), &["tick"]);
    let quotes = c.client.get_json("/api/stock?symbols=ACME").await.text;
    assert!(!quotes.contains("e999") && !quotes.contains("null"), "{quotes}");
}

/// Bytes that are no UTF-8 and halves of surrogate pairs, in everything that is published. (Chat is in `hostile`.)
async fn no_text(c: Context) {
    let header = format!("Authorization: Bearer {}\r\n", grants(&[], &["*"]));
    for bad in not_text(&c) {
        for (path, before, after) in [
            ("/api/events", r#"{"topic":"a","data":""#, r#""}"#),
            ("/api/events", r#"{"topic":"a","data":{""#, r#"":1}}"#),
            ("/api/events", r#"{"topic":""#, r#"","data":1}"#),
            ("/api/stock", r#"{"symbol":""#, r#"","price":1}"#),
        ] {
            let body = [before.as_bytes(), bad, after.as_bytes()].concat();
            let (status, heard) = exchange(&c, &post(&c, path, &header, &body)).await;
            assert_eq!(status, Some(400), "{bad:?} after {before}: {heard}");
        }
    }
    let publisher = publisher(&c);
    for half in [r"\ud800", r"\udc00", r"\ud83dx", r"\ud83d\u0041", r"\ude00\ud83d"] {
        for body in [
            format!(r#"{{"topic":"a","data":"{half}"}}"#),
            format!(r#"{{"topic":"a","data":{{"{half}":1}}}}"#),
            format!(r#"{{"topic":"{half}","data":1}}"#),
            format!(r#"{{"topic":"a","data":1,"event":"{half}"}}"#),
        ] {
            let answer = publisher.post_json("/api/events", &body).await;
            assert_eq!(answer.status, 400, "{body}: {answer:?}");
        }
    }
}

/// More and longer headers than anybody needs.
async fn headers(c: Context) {
    let many = |n: usize, bytes: usize| -> String {
        (0..n).map(|at| format!("X-{at}: {}\r\n", "x".repeat(bytes))).collect()
    };
    let cookies = format!("Cookie: {}ssedge_token=x\r\n", "a=b; ".repeat(1_500));
    for (what, target, headers) in [
        ("1,000 headers", "/api/chat", many(1_000, 1)),
        ("20,000 headers", "/api/chat", many(20_000, 1)),
        ("64 KB in one", "/api/chat", many(1, 64 << 10)),
        ("4 MB in one", "/api/chat", many(1, 4 << 20)),
        ("2 MB in all", "/api/chat", many(500, 4 << 10)),
        ("many cookies", "/api/chat", cookies),
        ("a long query", &*format!("/api/chat?a={}", "x".repeat(100_000)), String::new()),
        ("many parameters", &*format!("/api/chat?{}", "a=b&".repeat(3_000)), String::new()),
        ("a long accept", "/api/chat", format!("Accept: {}\r\n", "text/html,".repeat(1_000))),
        ("a bad name", "/api/chat", "X Y: z\r\n".to_owned()),
        ("no name", "/api/chat", ": z\r\n".to_owned()),
    ] {
        let accept = if headers.starts_with("Accept") { "" } else { "Accept: application/json\r\n" };
        let rest = format!("{accept}{headers}\r\n").into_bytes();
        let (status, heard) = exchange(&c, &[head(&c, "GET", target), rest].concat()).await;
        assert!(matches!(status, Some(200 | 400..=499) | None), "{what}: {heard:.500}");
    }
    is_well(&c).await;
}

/// Bytes that no header may have, which a strict reader of headers would sooner die of than read, and all others with it.
async fn header_bytes(c: Context) {
    let path = format!("/api/chat/{}", c.room());
    let mut bystander = c.client.open(&path, &[]).await;
    first_block(&mut bystander).await;
    let ask = async |byte: u8, before: &[u8]| {
        let accept = b"Accept: application/json\r\n";
        let after = if before.contains(&b':') { &b"b\r\n\r\n"[..] } else { b": b\r\n\r\n" };
        let request = [&head(&c, "GET", &path)[..], accept, before, &[byte], after].concat();
        let (status, heard) = exchange(&c, &request).await;
        let is_read = !before.starts_with(b"Auth") && status == Some(200);
        assert!(is_read || matches!(status, Some(400..=499) | None), "{byte} in {before:?}: {heard:.500}");
    };
    for byte in (1..=8).chain([11, 12]).chain(14..=31).chain([127, 128, 160, 255]) {
        let befores = [&b"X-Odd: a"[..], b"X-Odd", b"Authorization: Bearer ", b"Last-Event-ID: 1"];
        join_all(befores.map(|before| ask(byte, before))).await;
    }
    let said = c.client.post_json(&path, r#"{"user":"ada","text":"hi"}"#).await;
    assert_eq!(bystander.message().await.data, said.text);
}

// --- Many ---

/// A client that says in every header in which a proxy would that it is somebody else.
async fn forged_addresses(c: Context) {
    const FORGED: [&str; 10] = [
        "X-Forwarded-For",
        "X-Real-IP",
        "Forwarded",
        "True-Client-IP",
        "X-Client-IP",
        "Client-IP",
        "Fastly-Client-IP",
        "X-Cluster-Client-IP",
        "CF-Connecting-IPv6",
        "X-Original-Forwarded-For",
    ];
    let (sender, path) = (c.client.from_address(51), format!("/api/chat/{}", c.room()));
    // Behind Lambda this one says nothing, either; on Cloudflare nobody but Cloudflare can set it.
    let platform = (c.host == "lambda").then_some("CF-Connecting-IP");
    let started = tokio::time::Instant::now();
    let posts = FORGED.into_iter().chain(platform).cycle().take(22).enumerate().map(|(n, name)| {
        let address = format!("198.51.100.{n}");
        let value = if name == "Forwarded" { format!("for={address}") } else { address };
        let (forger, path) = (sender.with(name, &value), path.clone());
        async move { forger.post_json(&path, r#"{"user":"ada","text":"hi"}"#).await.status }
    });
    let statuses = join_all(posts).await;
    let stored = statuses.iter().filter(|status| **status == 201).count();
    let flowed = started.elapsed().div_duration_f32(INTERVAL).ceil() as usize;
    assert!((BURST..=BURST + flowed).contains(&stored), "{stored} in {:?}: {statuses:?}", started.elapsed());
}

/// One sender that opens streams until nobody else can. (In a local Lambda each is a process, and many at once have a
/// test of their own, so there it opens fewer.)
async fn thousand_connects(c: Context) {
    let (connects, abreast) = if c.host == "lambda" { (2 * PER_SENDER, ABREAST) } else { (1_000, 100) };
    let (sender, other) = (c.sender(52), c.sender(53));
    let path = format!("/api/chat/{}", c.room());
    let (open, retries) = crowd(&c, &sender, &path, connects, abreast).await;
    assert_eq!((open.len(), retries.len()), (PER_SENDER, connects - PER_SENDER));
    knock(&c, &other, &path).await.expect("another sender is served");
    is_well(&c).await;
}
