//! What a request comes to, before any host: the table of refusals, negotiation, CORS, cursors and bounds.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use jwt_compact::alg::{Hs256, Hs256Key};
use jwt_compact::{AlgorithmExt, Claims};
use serde_json::Value;
use ssedge::access::{InvalidToken, Sender};
use ssedge::limits::BODY_BYTES;
use ssedge::log::{Entry, EntryId, Filter, Kind, Position, Selection, Start};
use ssedge::problem::Problem;
use ssedge::route::{Deployment, Peer, Plan, Subscriber, finish, head_of_stream, plan};
use ssedge::session::{Dialect, StreamRequest, WhenSlow};
use ssedge::settings::{Host, Settings};
use ssedge::store::{Post, Receipt, Stored};
use ssedge::time::UnixMillis;
use ssedge_tests::stream::channel_name;

const NOW: UnixMillis = UnixMillis(1_795_341_600_000);
const KEY: &str = "a key of at least thirty-two bytes";
const JSON: (&str, &str) = ("content-type", "application/json");

fn deployment_of(host: Host, vars: &[(&str, &str)]) -> Deployment {
    let lookup = |name: &str| vars.iter().find(|(var, _)| *var == name).map(|(_, value)| (*value).to_owned());
    Deployment::read(host, lookup).unwrap()
}

fn settings(vars: &[(&str, &str)]) -> Settings {
    deployment_of(Host::Worker, vars).settings
}

fn request(line: &str, headers: &[(&str, &str)]) -> Parts {
    let (method, target) = line.split_once(' ').unwrap();
    let mut builder = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

const PEER: Peer = Peer { address: Some("192.0.2.1"), scheme: Some("https") };

/// What is planned outlives its request and its deployment, which no test takes back.
fn planned(line: &str, headers: &[(&str, &str)], vars: &[(&str, &str)]) -> Result<Plan<'static>, Problem> {
    let deployment = Box::leak(Box::new(deployment_of(Host::Worker, vars)));
    plan(Box::leak(Box::new(request(line, headers))), PEER, deployment, NOW)
}

/// The problem as it is sent: its status, and its detail from the document, whose other members must be right.
fn sent(problem: &Problem) -> (u16, String, Option<String>) {
    let response = problem.response();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    let document: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(document["status"], response.status().as_u16());
    assert!(document["type"].as_str().unwrap().starts_with("urn:ssedge:problem:"), "{document}");
    assert!(!document["title"].as_str().unwrap().is_empty(), "{document}");
    let text = |member: &str| document.get(member).map(|value| value.as_str().unwrap().to_owned());
    (response.status().as_u16(), text("detail").unwrap(), text("field"))
}

#[track_caller]
fn refused(line: &str, headers: &[(&str, &str)], vars: &[(&str, &str)], status: u16, detail: &str) {
    let problem = planned(line, headers, vars).expect_err(line);
    let (got, said, field) = sent(&problem);
    assert_eq!((got, said.as_str()), (status, detail), "{line} {headers:?}");
    if status == 400 {
        assert_eq!(field.as_deref(), detail.split(':').next(), "the field is named");
    }
}

#[track_caller]
fn opened(target: &str, headers: &[(&str, &str)], vars: &[(&str, &str)]) -> StreamRequest {
    let get = planned(&format!("GET {target}"), headers, vars);
    let head = planned(&format!("HEAD {target}"), headers, vars);
    match (get, head) {
        (Ok(Plan::Stream(get, subscriber)), Ok(Plan::Stream(head, _)))
            if format!("{get:?}") == format!("{head:?}") =>
        {
            assert_eq!(subscriber, Subscriber { sender: Sender::address(Some("192.0.2.1")), expires: None });
            *get
        }
        other => panic!("{target}: {other:?}"),
    }
}

#[track_caller]
fn position(target: &str, headers: &[(&str, &str)]) -> Position {
    opened(target, headers, &[("STOCK_SOURCE", "published")]).log.unwrap().1.position
}

fn after(cursor: &str) -> Position {
    Position::after(cursor)
}

#[test]
fn a_bad_value_is_a_400_that_names_field_rule_and_limit() {
    let check = |target: &str, detail: &str| refused(&format!("GET {target}"), &[], &[], 400, detail);
    for bad in ["-1", "201", "", "+5", "1e1", "5.0", "99999999999999999999"] {
        check(
            &format!("/api/chat?history={}", bad.replace('+', "%2B")),
            "history: must be a whole number from 0 to 200",
        );
    }
    check("/api/events?history=101", "history: must be a whole number from 0 to 100");
    check("/api/stock?history=601", "history: must be a whole number from 0 to 600");
    for bad in ["249", "60001", "", "fast", "%2B500", "500.5"] {
        check(&format!("/api/events?tick={bad}"), "tick: must be milliseconds from 250 to 60000, or off");
        check(&format!("/api/stock?interval={bad}"), "interval: must be milliseconds from 250 to 60000");
    }
    check("/api/stock?interval=off", "interval: must be milliseconds from 250 to 60000");
    let topic = "topics: each item must be 1 to 64 of A-Z, a-z, 0-9, _, . and -";
    for bad in ["", "a,", "a%20b", "a%0Ab", "%F0%9F%98%80", &"a".repeat(65)] {
        check(&format!("/api/events?topics={bad}"), topic);
    }
    let many = (0..17).map(|nth| format!("t{nth}")).collect::<Vec<_>>().join(",");
    for many in [many, ["a"; 17].join(",")] {
        check(&format!("/api/events?topics={many}"), "topics: must be at most 16 items");
    }
    let many = (0..17).map(|nth| format!("topics=t{nth}")).collect::<Vec<_>>().join("&");
    check(&format!("/api/events?{many}"), "topics: must be at most 16 items");
    for (query, name) in [
        ("history=1&history=1", "history"),
        ("history=1&%68istory=", "history"),
        ("access_token=&access_token=x", "access_token"),
        ("other&other", "other"),
        (&*format!("{0}=1&{0}=2", "o".repeat(100)), &*"o".repeat(64)),
    ] {
        for path in ["/api/chat", "/api/events", "/api/stock", "/api/chat/a/messages/1"] {
            check(&format!("{path}?{query}"), &format!("{name}: must be given at most once"));
        }
    }
    check("/api/events?tick=250&tick=off", "tick: must be given at most once");
    check("/api/stock?interval=250&interval=250", "interval: must be given at most once");
    refused("POST /api/chat?a&a", &[JSON], &[], 400, "a: must be given at most once");
    check("/api/stock?symbols=acme", &format!("symbols: each item must be one of {}", listed()));
    let room = "room: must be 1 to 64 of a-z, 0-9, _ and -, the first a letter or digit";
    for bad in ["Lobby", "-a", "a%2Fb", "a.b", &"a".repeat(65)] {
        check(&format!("/api/chat/{bad}"), room);
        check(&format!("/api/chat/{bad}/messages/1"), room);
    }
}

fn listed() -> String {
    ssedge::feeds::stock::DEFAULT_SYMBOLS.join(", ")
}

#[test]
fn any_token_is_a_401_where_there_is_no_secret() {
    let detail = "the token is refused: this deployment takes none";
    for line in ["GET /api/chat", "GET /api/stock", "HEAD /api/events", "POST /api/chat", "POST /api/stock"] {
        let bearer = [JSON, ("authorization", "Bearer a.b.c")];
        refused(line, &bearer, &[], 401, detail);
        refused(line, &[JSON, ("authorization", "bearer  a.b.c")], &[], 401, detail);
        refused(line, &[JSON, ("cookie", "theme=dark; ssedge_token=a.b.c")], &[], 401, detail);
        refused(&format!("{line}?access_token=a.b.c"), &[JSON], &[], 401, detail);
    }
    refused("GET /api/chat/a/messages/1?access_token=x", &[], &[], 401, detail);
    let response = Problem::Unauthorized(InvalidToken::Disabled).response();
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    for header in [("authorization", "Basic a2V5"), ("cookie", "ssedge_tokens=a"), ("cookie", "theme=dark")] {
        assert!(planned("GET /api/chat", &[header], &[]).is_ok(), "{header:?} is no token");
    }
}

/// A token of these claims, good for a minute.
fn token(claims: &str) -> String {
    let claims = format!(r#"{{"exp":{},{claims}}}"#, NOW.0 / 1_000 + 60);
    let claims = Claims::new(serde_json::from_str::<Value>(&claims).unwrap());
    Hs256.token(&jwt_compact::Header::empty(), &claims, &Hs256Key::new(KEY)).unwrap()
}

/// What becomes of a post by a token.
fn posted(channel: &str, token: &str, body: &str, vars: &[(&str, &str)]) -> Result<Post, Problem> {
    let bearer = format!("Bearer {token}");
    let planned = planned(&format!("POST /api/{channel}"), &[JSON, ("authorization", &bearer)], vars)?;
    let Plan::Append(append) = planned else { panic!("{planned:?}") };
    append.post(body.as_bytes())
}

#[test]
fn a_token_publishes_what_it_grants_and_no_more() {
    let vars = [("AUTH_SECRET", KEY), ("STOCK_SOURCE", "published")];
    let check = |channel: &str, grants: &str, body: &str, detail: Option<&str>| {
        let got = posted(channel, &token(&format!(r#""publish":[{grants}]"#)), body, &vars);
        let refused = detail.map(|detail| (403, detail.to_owned(), None));
        assert_eq!(got.as_ref().err().map(sent), refused, "{channel} with {grants}");
    };
    let orders = r#"{"topic":"orders","data":1}"#;
    for grants in
        [r#""events/orders""#, r#""events/*""#, r#""events""#, r#""*""#, r#""chat/*","events/orders""#]
    {
        check("events", grants, orders, None);
    }
    check("events", r#""events/news""#, orders, Some("no grant to publish events/orders"));
    for grants in ["", r#""chat/*""#, r#""eventsx/*""#, r#""Events/orders""#, r#""event*""#] {
        check("events", grants, orders, Some("no grant to publish events"));
    }
    check("stock", r#""stock""#, r#"{"symbol":"ACME","price":1}"#, None);
    check("stock", r#""events""#, r#"{"symbol":"ACME","price":1}"#, Some("no grant to publish stock"));
    let hi = r#"{"user":"ada","text":"hi"}"#;
    check("chat/den", r#""chat/den""#, hi, None);
    for grants in
        [r#""chat""#, r#""chatx/*""#, r#""CHAT/*""#, r#""chat/../events""#, r#""chat/%64en""#, r#""**""#]
    {
        check("chat/den", grants, hi, Some("no grant to publish chat/den"));
    }
}

#[test]
fn the_holder_of_a_token_speaks_in_its_own_name() {
    let vars = [("AUTH_SECRET", KEY)];
    let says = |sub: &str, body: &str| {
        let token = token(&format!(r#""sub":"{sub}","publish":["*"]"#));
        posted("chat", &token, body, &vars).map_err(|problem| sent(&problem)).map(|post| {
            let message = post.drafts[0].entry(EntryId::BEGINNING, NOW, None).body;
            serde_json::from_str::<serde_json::Value>(&message).unwrap()["user"].clone()
        })
    };
    for body in [r#"{"text":"hi"}"#, r#"{"user":"ada","text":"hi"}"#, r#"{"user":" ada ","text":"hi"}"#] {
        assert_eq!(says("ada", body).unwrap(), "ada", "{body}");
    }
    let refused = |detail: &str| Err((403, detail.to_owned(), Some("user".to_owned())));
    for body in [r#"{"user":"bob","text":"hi"}"#, r#"{"user":"Ada","text":"hi"}"#] {
        assert_eq!(says("ada", body), refused("user: must be the sub of the token, or left out"), "{body}");
    }
    let no_name = "user: the sub of the token is no name for a chat: it must be 1 to 40 characters after trimming, not 41";
    assert_eq!(says(&"a".repeat(41), r#"{"text":"hi"}"#), refused(no_name));
}

#[test]
fn the_first_token_that_is_there_decides() {
    let vars = [("AUTH_SECRET", KEY), ("ANONYMOUS", "")];
    let good = token(r#""subscribe":["*"]"#);
    let bad = &good[..good.len() - 1];
    let check = |bearer: &str, cookie: &str, query: &str, status: Option<u16>| {
        let authorization = format!("Bearer {bearer}");
        let cookie = format!("a=b; ssedge_token={cookie}");
        let headers = [("authorization", &*authorization), ("cookie", &*cookie)];
        let got = planned(&format!("GET /api/chat?access_token={query}"), &headers, &vars);
        assert_eq!(got.err().map(|problem| problem.status().as_u16()), status, "{headers:?} {query}");
    };
    check(&good, bad, bad, None);
    check(&good, "", "", None);
    check(bad, &good, &good, Some(401));
    // Somebody who says that there is a token, and brings none, is not nobody.
    check("", &good, &good, Some(401));
    check(" ", &good, &good, Some(401));
    // Bytes that no token has make a bad one, and not none.
    check("\u{e9}", &good, &good, Some(401));
    let check = |headers: &[(&str, &str)], query: &str, status: Option<u16>| {
        let got = planned(&format!("GET /api/chat?access_token={query}"), headers, &vars);
        assert_eq!(got.err().map(|problem| problem.status().as_u16()), status, "{headers:?} {query}");
    };
    let cookie = |token: &str| format!("a=b; ssedge_token={token}");
    check(&[("cookie", &cookie(&good))], bad, None);
    check(&[("cookie", &cookie(""))], &good, None);
    check(&[("cookie", &cookie(bad))], &good, Some(401));
    check(&[("cookie", &cookie("\u{e9}"))], &good, Some(401));
    check(&[("cookie", &cookie(""))], bad, Some(401));
    check(&[("cookie", &cookie(""))], "", Some(403));
    check(&[("authorization", "Bearer")], &good, Some(401));
    check(&[("authorization", "bearer\t")], &good, Some(401));
    // An emptied cookie does not hide another of its name (of another path or domain), in one line or in two.
    check(&[("cookie", &format!("ssedge_token=; ssedge_token={good}"))], bad, None);
    check(&[("cookie", &cookie("")), ("cookie", &cookie(&good))], bad, None);
    check(&[("cookie", &format!("ssedge_token={bad}; ssedge_token={good}"))], &good, Some(401));
}

#[test]
fn text_within_its_limit_is_taken_however_it_is_escaped() {
    let Ok(Plan::Append(append)) = planned("POST /api/chat", &[JSON], &[]) else { panic!("it is taken") };
    let escaped = |chars: usize| "\\ud83d\\ude00".repeat(chars);
    let body = |chars: usize| format!(r#"{{"user":"{}","text":"{}"}}"#, escaped(40), escaped(chars));
    let length = body(2_000).len().to_string();
    assert!(planned("POST /api/chat", &[JSON, ("content-length", &length)], &[]).is_ok());
    assert!(append.post(body(2_000).as_bytes()).is_ok());
    let (status, _, field) = sent(&append.post(body(2_001).as_bytes()).unwrap_err());
    assert_eq!((status, field.as_deref()), (400, Some("text")), "the limit is that of the text");
}

#[test]
fn a_cookie_posts_only_from_an_origin_that_is_its_own_or_listed() {
    let cookie = format!("ssedge_token={}", token(r#""publish":["*"]"#));
    let check = |origins: &str, origin: Option<&str>, allowed: bool| {
        let vars = [("AUTH_SECRET", KEY), ("ALLOWED_ORIGINS", origins)];
        let origin = origin.map(|origin| ("origin", origin));
        let headers: Vec<_> =
            [JSON, ("cookie", &*cookie), ("host", "live.example")].into_iter().chain(origin).collect();
        let got = planned("POST /api/chat", &headers, &vars);
        let refused = got.as_ref().err().map(sent).map(|(status, _, field)| (status, field));
        let expected = (!allowed).then(|| (403, Some("Origin".to_owned())));
        assert_eq!(refused, expected, "{origins} {origin:?}");
    };
    for origins in ["*", "https://a.example"] {
        check(origins, Some("https://live.example"), true);
        // A page that anybody on the way could have written.
        check(origins, Some("http://live.example"), false);
        check(origins, Some("https://a.example"), origins != "*");
        for origin in
            [None, Some("null"), Some("https://b.example"), Some("https://live.example.b.example"), Some("")]
        {
            check(origins, origin, false);
        }
    }
    let headers =
        [JSON, ("cookie", &*cookie), ("authorization", &format!("Bearer {}", token(r#""publish":["*"]"#)))];
    assert!(
        planned("POST /api/chat", &headers, &[("AUTH_SECRET", KEY)]).is_ok(),
        "no browser adds a bearer by itself"
    );
}

#[test]
fn a_key_is_visible_ascii_and_what_became_of_a_post_is_said() {
    let key = |key: &str| planned("POST /api/chat", &[JSON, ("idempotency-key", key)], &[]);
    for bad in ["", "a b", &"k".repeat(65)] {
        let detail = "Idempotency-Key: must be 1 to 64 visible ASCII characters";
        assert_eq!(
            sent(&key(bad).unwrap_err()),
            (400, detail.into(), Some("Idempotency-Key".into())),
            "{bad:?}"
        );
    }
    let Ok(Plan::Append(append)) = key("7") else { panic!("it is taken") };
    let answer = |receipt| append.response(receipt);
    let stored = Stored { last: EntryId::new(42).unwrap(), body: "{}".into() };
    let (created, replayed) = (answer(Receipt::Stored(stored.clone())), answer(Receipt::Replayed(stored)));
    let (created, replayed) = (created.unwrap(), replayed.unwrap());
    assert_eq!((created.status(), replayed.status()), (StatusCode::CREATED, StatusCode::OK));
    assert_eq!(created.headers().get("idempotent-replayed"), None);
    assert_eq!(replayed.headers()["idempotent-replayed"], "true");
    for answer in [&created, &replayed] {
        assert_eq!(answer.headers()[header::LOCATION], "/api/chat/lobby/messages/42");
    }
    let fast = |millis| answer(Receipt::TooFast(Duration::from_millis(millis))).unwrap_err();
    for (millis, secs) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2")] {
        assert_eq!(fast(millis).response().headers()[header::RETRY_AFTER], secs, "{millis}");
    }
    let detail = "too many posts: a sender may post 5 a second to a channel, and 20 at once";
    assert_eq!(sent(&fast(1)), (429, detail.into(), None));
    let many = answer(Receipt::TooMany(Duration::from_secs(12))).unwrap_err();
    assert_eq!(many.response().headers()[header::RETRY_AFTER], "12");
    let detail = "too many new channels: a sender may begin 300 an hour; one that exists takes posts";
    assert_eq!(sent(&many), (429, detail.into(), None));
    assert_eq!(answer(Receipt::KeyReused).unwrap_err().status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[test]
fn without_a_grant_it_is_a_403() {
    refused("POST /api/events", &[JSON], &[], 403, "no grant to publish events");
    let all = [("ANONYMOUS", "subscribe *, publish *"), ("STOCK_SOURCE", "published")];
    refused("POST /api/events", &[JSON], &all, 403, "no grant to publish events");
    refused("POST /api/stock", &[JSON], &all, 403, "no grant to publish stock");
    let some = [("ANONYMOUS", "subscribe chat/lobby, subscribe events/a")];
    refused("GET /api/chat/den", &[], &some, 403, "no grant to subscribe chat/den");
    refused("GET /api/chat/den/messages/1", &[], &some, 403, "no grant to subscribe chat/den");
    refused("POST /api/chat", &[JSON], &some, 403, "no grant to publish chat/lobby");
    refused("GET /api/stock", &[], &some, 403, "no grant to subscribe stock");
    refused("GET /api/events?topics=a,b", &[], &some, 403, "no grant to subscribe events/b");
    refused("GET /api/events", &[], &some, 403, "no grant to subscribe events/*");
    assert!(planned("GET /api/events?topics=a", &[], &some).is_ok());
    assert!(planned("GET /api/chat", &[], &some).is_ok());
}

#[test]
fn other_paths_and_methods_are_refused() {
    for path in ["/api", "/api/events/", "/api/chat/a/b", "/healthz/", "/favicon.ico"] {
        refused(&format!("GET {path}"), &[], &[], 404, "no such path");
    }
    refused("GET /api/chat/a/messages/01", &[], &[], 404, "no such message");
    let feed = "GET, HEAD, POST, OPTIONS";
    let page = "GET, HEAD, OPTIONS";
    let rows = [
        ("PUT /api/chat", feed),
        ("DELETE /api/events", feed),
        ("PATCH /api/stock", feed),
        ("POST /healthz", page),
        ("POST /", page),
        ("DELETE /openapi.json", page),
        ("POST /api/chat/a/messages/1", page),
    ];
    for (line, allow) in rows {
        refused(line, &[], &[], 405, &format!("this path takes {allow}"));
        let response = planned(line, &[], &[]).unwrap_err().response();
        assert_eq!(response.headers()[header::ALLOW], allow);
    }
}

#[test]
fn what_is_accepted_decides_the_representation() {
    let detail = "Accept: this path answers text/event-stream and application/json";
    for accept in ["text/html", "image/*", "text/event-stream;q=0, application/json;q=0"] {
        for path in ["/api/events", "/api/stock", "/api/chat/a"] {
            refused(&format!("GET {path}"), &[("accept", accept)], &[], 406, detail);
        }
    }
    for accept in ["*/*", "text/*", "text/event-stream", "application/json, text/event-stream"] {
        opened("/api/chat", &[("accept", accept)], &[]);
    }
    opened("/api/chat", &[], &[]);
    let json = [("accept", "application/json")];
    let planned = |target: &str| planned(&format!("GET {target}"), &json, &[]).unwrap();
    assert!(matches!(planned("/api/chat"), Plan::Read(read) if read.channel.as_str() == "chat/lobby"));
    assert!(matches!(planned("/api/events"), Plan::Read(read) if read.channel == channel_name("events")));
    let Plan::Reply(quotes) = planned("/api/stock?symbols=GLBX") else { panic!("a market needs no storage") };
    assert_eq!(quotes.headers()[header::VARY], "Accept");
    let quotes: Value = serde_json::from_slice(quotes.body()).unwrap();
    assert_eq!(
        (&quotes["quotes"][0]["symbol"], &quotes["cursor"]),
        (&"GLBX".into(), &NOW.0.to_string().into())
    );
}

#[test]
fn quotes_of_a_simulated_market_cannot_be_published() {
    let detail = "quotes are simulated here (STOCK_SOURCE=simulated) and cannot be published";
    refused("POST /api/stock", &[JSON], &[], 409, detail);
}

#[test]
fn a_body_is_json_and_small() {
    let large = "the body: must be at most 32768 bytes";
    refused("POST /api/chat", &[JSON, ("content-length", "32769")], &[], 413, large);
    assert!(planned("POST /api/chat", &[JSON, ("content-length", "32768")], &[]).is_ok());
    let Ok(Plan::Append(append)) = planned("POST /api/chat/den", &[JSON], &[]) else { panic!("it is taken") };
    let body = |len: usize| format!("{:<len$}", r#"{"user":"ada","text":"hi"}"#);
    assert!(append.post(body(BODY_BYTES).as_bytes()).is_ok());
    let problem = append.post(body(BODY_BYTES + 1).as_bytes()).unwrap_err();
    assert_eq!(sent(&problem), (413, large.to_owned(), None));

    let detail = "Content-Type: the body must be application/json in UTF-8, without Content-Encoding";
    refused("POST /api/chat", &[], &[], 415, detail);
    for bad in [
        "text/plain",
        "application/jsonp",
        "application/json; charset=latin1",
        "application/json; charset=utf",
        "*/*",
        "json",
    ] {
        refused("POST /api/chat", &[("content-type", bad)], &[], 415, detail);
    }
    refused("POST /api/chat", &[JSON, ("content-encoding", "gzip")], &[], 415, detail);
    for good in [
        "Application/JSON",
        "application/json;charset=\"UTF-8\"",
        "application/json; charset=utf-8",
        "application/json; charset=utf8",
        "application/json;Charset=\"UTF8\"",
    ] {
        assert!(planned("POST /api/chat", &[("content-type", good)], &[]).is_ok(), "{good}");
    }
    assert!(planned("POST /api/chat", &[JSON, ("content-encoding", "identity")], &[]).is_ok());
}

#[test]
fn a_bad_body_is_a_400() {
    let vars = [("STOCK_SOURCE", "published"), ("AUTH_SECRET", KEY)];
    let check = |channel: &str, body: &str, detail: &str, field: Option<&str>| {
        let problem = posted(channel, &token(r#""publish":["*"]"#), body, &vars).expect_err(body);
        assert_eq!(sent(&problem), (400, detail.to_owned(), field.map(str::to_owned)), "{body}");
    };
    check("chat/a", "[]", "the body must be a JSON object: it does not begin with {", None);
    check("chat/a", r#"{"user":"ada"}"#, "text: is missing; it must be a string", Some("text"));
    check(
        "chat/a",
        r#"{"user":"","text":"hi"}"#,
        "user: must be 1 to 40 characters after trimming, not 0",
        Some("user"),
    );
    check("events", r#"{"topic":"a"}"#, "data: is missing; it may be any JSON", Some("data"));
    check(
        "stock",
        r#"{"symbol":"X","price":1}"#,
        &format!("symbol: must be one of {}", listed()),
        Some("symbol"),
    );
    check(
        "stock",
        r#"{"symbol":"ACME","price":1.234}"#,
        "price: a price has at most 2 decimals",
        Some("price"),
    );
}

#[test]
fn storage_that_does_not_answer_is_a_503_that_keeps_its_cause() {
    let problem = Problem::Unavailable { cause: "table gone at 10.0.0.1".into() };
    let (status, detail, field) = sent(&problem);
    assert_eq!((status, field), (503, None));
    assert!(!detail.contains("10.0.0.1"));
    assert_eq!(problem.response().headers()[header::RETRY_AFTER], "2");
}

#[test]
fn the_header_wins_over_the_query_and_both_over_history() {
    for path in ["/api/chat", "/api/events", "/api/stock"] {
        assert_eq!(position(&format!("{path}?lastEventId=7&history=3"), &[]), after("7"));
        assert_eq!(position(&format!("{path}?lastEventId=7"), &[("last-event-id", "9")]), after("9"));
        assert_eq!(position(&format!("{path}?lastEventId=7"), &[("last-event-id", "")]), after("7"));
        assert_eq!(position(&format!("{path}?lastEventId=7&lastEventId=9&lastEventId="), &[]), after("9"));
        assert_eq!(position(&format!("{path}?history=3"), &[]), Position::History(3));
        assert_eq!(position(&format!("{path}?lastEventId=%00%0A&history=3"), &[]), after("\u{0}\n"));
        let long = "9".repeat(100);
        assert_eq!(position(&format!("{path}?lastEventId={long}"), &[]), after(&long[..64]));
    }
    assert_eq!(position("/api/chat", &[]), Position::History(20));
    assert_eq!(position("/api/events", &[]), Position::History(0));
    assert_eq!(position("/api/chat?history=200", &[]), Position::History(200));
}

#[test]
fn a_feed_opens_with_what_was_asked_for() {
    let events = opened("/api/events?topics=a,b,a&tick=off", &[], &[]);
    let (channel, subscribe) = events.log.unwrap();
    assert_eq!((channel, subscribe.filter), (channel_name("events"), Filter::keys(["a".into(), "b".into()])));
    assert_eq!((events.when_slow, events.dialect), (WhenSlow::End, Dialect::Named));
    assert!(events.ticks.is_none());
    let ticks = opened("/api/events", &[], &[]).ticks.unwrap();
    assert_eq!((ticks.interval.as_millis(), ticks.replay), (1_000, None));

    let joined = opened("/api/events?topics=a&tick=off&topics=b,a", &[], &[]);
    assert_eq!(joined.log.unwrap().1.filter, Filter::keys(["a".into(), "b".into()]));

    let market = opened("/api/stock?interval=250&history=600", &[], &[]);
    assert!(market.log.is_none());
    let ticks = market.ticks.unwrap();
    let replay = ticks.replay.unwrap();
    assert_eq!(
        (ticks.interval.as_millis(), replay.position, replay.kept),
        (250, Position::History(600), 600)
    );
    assert_eq!(ticks.ticks.items(NOW).len(), 8);

    let published = opened("/api/stock", &[], &[("STOCK_SOURCE", "published")]);
    let (channel, subscribe) = published.log.unwrap();
    assert_eq!((channel, subscribe.newest), (channel_name("stock"), false));
    assert_eq!(published.when_slow, WhenSlow::Newest);
    assert_eq!(published.dialect, Dialect::Plain);
}

#[test]
fn a_snapshot_of_published_quotes_is_the_newest_of_each() {
    let vars = [("STOCK_SOURCE", "published")];
    let Ok(Plan::Read(read)) = planned("GET /api/stock", &[("accept", "application/json")], &vars) else {
        panic!("quotes are read from their channel")
    };
    // Not from the beginning: nobody asked for what is no longer kept, so nothing is missing.
    assert_eq!(read.subscribe.position, Position::History(1_000));
    let log = (1..=500).map(|n| {
        let key = if n == 7 { "GLBX" } else { "ACME" };
        let id = EntryId::new(n).unwrap();
        let (kind, body) = (Kind::Object, n.to_string());
        Entry { id, time: NOW, event: None, key: Some(key.into()), kind, body }
    });
    let mut snapshot = Selection::snapshot(Start::at(EntryId::BEGINNING), &read.subscribe);
    assert!(log.into_iter().all(|entry| snapshot.push(entry)));
    let document = read.response(snapshot.into_snapshot()).unwrap();
    assert_eq!(&document.body()[..], br#"{"quotes":[7,500],"cursor":"500"}"#);
}

fn finished(
    response: Response<Bytes>,
    line: &str,
    headers: &[(&str, &str)],
    settings: &Settings,
) -> Response<Bytes> {
    let mut response = response;
    let request = request(line, headers);
    finish(&mut response, &request.method, &request.headers, settings);
    response
}

#[test]
fn pages_of_any_origin_or_of_the_listed_ones_may_read() {
    let header = |response: &Response<Bytes>, name: HeaderName| {
        response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    };
    let origins = |vars: &[(&str, &str)], origin: &str| {
        let response = finished(Response::default(), "GET /", &[("origin", origin)], &settings(vars));
        assert_eq!(header(&response, header::X_CONTENT_TYPE_OPTIONS).as_deref(), Some("nosniff"));
        let allowed = header(&response, header::ACCESS_CONTROL_ALLOW_ORIGIN);
        let credentials = header(&response, header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
        let exposed = header(&response, header::ACCESS_CONTROL_EXPOSE_HEADERS);
        (allowed, credentials, exposed.is_some(), header(&response, header::VARY))
    };
    let some = |text: &str| Some(text.to_owned());
    let listed = [("ALLOWED_ORIGINS", "https://a.example, https://b.example")];
    assert_eq!(origins(&[], "https://a.example"), (some("*"), None, true, None));
    let b = "https://b.example";
    assert_eq!(origins(&listed, b), (some(b), some("true"), true, some("Origin")));
    for stranger in
        ["https://c.example", "null", "https://b.example.evil", "http://b.example", "HTTPS://B.EXAMPLE"]
    {
        assert_eq!(origins(&listed, stranger), (None, None, false, some("Origin")), "{stranger}");
    }
}

/// What a function says before its body has one text for each header.
#[test]
fn what_an_answer_differs_by_is_one_line() {
    let settings = settings(&[("ALLOWED_ORIGINS", "https://a.example")]);
    let stream = finished(head_of_stream(None), "GET /api/events", &[], &settings);
    let all: Vec<_> = stream.headers().get_all(header::VARY).iter().collect();
    assert_eq!(all, ["Accept, Origin"]);
}

#[test]
fn a_preflight_is_answered_without_a_token() {
    for (host, status, body) in
        [(Host::Worker, StatusCode::NO_CONTENT, ""), (Host::Lambda, StatusCode::OK, "\n")]
    {
        let deployment = deployment_of(host, &[]);
        let (feed, page) = ("GET, HEAD, POST, OPTIONS", "GET, HEAD, OPTIONS");
        // Also where the request itself will be told of a bad room.
        for (target, allow) in [
            ("/api/chat/a", feed),
            ("/api/chat/A", feed),
            ("/api/chat/a/messages/1", page),
            ("/api/chat/A/messages/1", page),
            ("/healthz", page),
        ] {
            let line = format!("OPTIONS {target}?access_token=x");
            let Ok(Plan::Reply(reply)) = plan(&request(&line, &[]), PEER, &deployment, NOW) else {
                panic!("{line}")
            };
            let reply = finished(reply, &line, &[("origin", "https://a.example")], &deployment.settings);
            assert_eq!((reply.status(), &reply.body()[..]), (status, body.as_bytes()));
            let headers = reply.headers();
            assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_METHODS], allow);
            assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
            assert_eq!(
                headers[header::ACCESS_CONTROL_ALLOW_HEADERS],
                "Content-Type, Authorization, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Cache-Control, \
                 X-Requested-With"
            );
            assert!(headers.contains_key(header::ACCESS_CONTROL_MAX_AGE));
        }
    }
    refused("OPTIONS /nowhere", &[], &[], 404, "no such path");
}

#[test]
fn a_head_has_no_body_and_on_lambda_one_byte() {
    for (host, body) in [(Host::Worker, ""), (Host::Lambda, "\n")] {
        let deployment = deployment_of(host, &[]);
        let Ok(Plan::Reply(reply)) = plan(&request("HEAD /healthz", &[]), PEER, &deployment, NOW) else {
            panic!()
        };
        assert!(reply.body().len() > 1);
        let reply = finished(reply, "HEAD /healthz", &[], &deployment.settings);
        assert_eq!((reply.status(), &reply.body()[..]), (StatusCode::OK, body.as_bytes()));
        assert_eq!(reply.headers()[header::CONTENT_TYPE], "application/json");
        assert_eq!(reply.headers()[header::CACHE_CONTROL], "no-store");
    }
}
