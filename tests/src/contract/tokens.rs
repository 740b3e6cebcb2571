//! Access: what a token is good for, and where it may be.

use futures::future::join_all;
use serde_json::json;

use super::{Case, Context, first_block, problem};
use crate::client::{Answer, Client, End, PATIENCE, TRIES};
use crate::token::{FOREIGN, HEADER, PREVIOUS, SECRET, grants, now, signed, token};

pub(super) const CASES: &[Case] = cases! {
    "Access", "a token grants what its patterns cover, and no more" => granted;
    "Access", "whoever holds a token has its grants alone, not those of ANONYMOUS" => alone;
    "Access", "a grant of events is one of all its topics" => topics;
    "Access", "publishing a topic without its grant is 403, and without any before the body is read" => no_grant;
    "Access", "a token is in Authorization, else in the cookie, else in the query" => places;
    "Access", "the first token that is there decides" => precedence;
    "Access", "what is no token is none" => none;
    "Access", "other cookies hide no token, whatever they hold" => other_cookies;
    "Access", "exp and nbf have 30 s of leeway, and exp is at most 400 days ahead" => leeway;
    "Access", "a token of the key before is read, one of another key is not" => rotation;
    "Access", "a post by the cookie may come from a listed origin and from the host's own" => cookie_from_here;
    "Access", "with a sub, that is the chat name" => sub_is_user;
    "Access", "a sub that is no chat name may do all but chat" => sub_is_no_user;
    "Access", "when the token of an open stream expires: event: expired, then the end" => expires;
    "Access", "a stream that was opened within the leeway ends with the leeway" => expires_late;
};

pub(super) const ANY_ORIGIN: &[Case] = cases! {
    "Access", "with ALLOWED_ORIGINS=* a post by the cookie must come from the host's own origin" => cookie_from_own;
};

pub(super) const COOKIE: &str = "Cookie";
pub(super) const JSON: (&str, &str) = ("Content-Type", "application/json");
const HI: &str = r#"{"user":"ada","text":"hi"}"#;

/// As a browser sends it.
pub(super) fn cookie(token: &str) -> String {
    format!("theme=dark; ssedge_token={token}; a=b")
}

async fn reads(client: &Client, path: &str) -> u16 {
    client.get_json(path).await.status
}

async fn granted(c: Context) {
    let (room, other) = (c.room(), c.room());
    let (chat, other) = (format!("/api/chat/{room}"), format!("/api/chat/{other}"));
    let one = format!("chat/{room}");
    for (pattern, allowed) in [
        ("*", &[&*chat, &*other, "/api/chat", "/api/stock", "/api/events"][..]),
        ("chat/*", &[&chat, &other, "/api/chat"]),
        (&one, &[&chat]),
        ("stock", &["/api/stock"]),
        ("events", &["/api/events"]),
        ("events/*", &["/api/events"]),
        ("chat/lobby", &["/api/chat"]),
    ] {
        let reader = c.client.bearing(&grants(&[pattern], &[]));
        let writer = c.client.bearing(&grants(&[], &[pattern]));
        for (path, body) in [
            (&*chat, HI),
            (&other, HI),
            ("/api/chat", HI),
            ("/api/stock", r#"{"symbol":"ACME","price":1}"#),
            ("/api/events", r#"{"topic":"granted","data":1}"#),
        ] {
            let (may_read, may_write) = if allowed.contains(&path) { (200, 201) } else { (403, 403) };
            assert_eq!(reads(&reader, path).await, may_read, "subscribe {pattern} to {path}");
            assert_eq!(reader.head(path, &[]).await.status, may_read, "subscribe {pattern} to {path}, HEAD");
            assert_eq!(reads(&writer, path).await, 403, "publish {pattern} reads {path}");
            let status = writer.post_json(path, body).await.status;
            assert_eq!(status, may_write, "publish {pattern} to {path}");
            assert_eq!(
                reader.post_json(path, body).await.status,
                403,
                "subscribe {pattern} writes to {path}"
            );
        }
    }
}

async fn alone(c: Context) {
    let room = format!("/api/chat/{}", c.room());
    assert_eq!(reads(&c.client, &room).await, 200, "anybody may read");
    assert_eq!(c.client.post_json(&room, HI).await.status, 201, "anybody may write");
    for claims in [json!({}), json!({ "subscribe": [], "publish": [] }), json!({ "sub": "ada" })] {
        let holder = c.client.bearing(&token(claims.clone()));
        for path in [&room, "/api/stock", "/api/events", "/api/events?topics=a"] {
            problem(&holder.get(path, &[]).await, 403, None, &["no grant to subscribe"]);
        }
        let message = format!("{room}/messages/1");
        problem(&holder.get(&message, &[]).await, 403, None, &["no grant to subscribe"]);
        problem(&holder.post_json(&room, HI).await, 403, None, &["no grant to publish"]);
        assert_eq!(holder.get("/healthz", &[]).await.status, 200, "what is no channel needs no grant");
    }
    // Each list is a list of its own.
    let reader = c.client.bearing(&token(json!({ "subscribe": ["*"] })));
    problem(&reader.post_json(&room, HI).await, 403, None, &["no grant to publish"]);
}

async fn topics(c: Context) {
    for (patterns, path, status) in [
        (&["events"][..], "/api/events?topics=orders", 200),
        (&["events/*"], "/api/events?topics=orders", 200),
        (&["events/orders"], "/api/events?topics=orders", 200),
        (&["events/orders"], "/api/events?topics=orders,news", 403),
        (&["events/orders"], "/api/events?topics=news", 403),
        (&["events/orders"], "/api/events?topics=orders.x", 403),
        (&["events/orders"], "/api/events", 403),
        (&["events/orders", "events/news"], "/api/events?topics=news,orders", 200),
    ] {
        let reader = c.client.bearing(&grants(patterns, &[]));
        assert_eq!(reads(&reader, path).await, status, "{patterns:?} for {path}");
        assert_eq!(reader.open(path, &[]).await.status, status, "{patterns:?} for a stream of {path}");
    }
    for (patterns, status) in [
        (&["events"][..], 201),
        (&["events/*"], 201),
        (&["*"], 201),
        (&["events/a", "events/orders"], 201),
        (&["events/order"], 403),
        (&["events/orders/*"], 403),
        (&["chat/*"], 403),
    ] {
        let writer = c.client.bearing(&grants(&[], patterns));
        let answer = writer.post_json("/api/events", r#"{"topic":"orders","data":1}"#).await;
        assert_eq!(answer.status, status, "{patterns:?}: {answer:?}");
    }
}

async fn no_grant(c: Context) {
    let of_orders = c.client.bearing(&grants(&[], &["events/orders"]));
    let news = of_orders.post_json("/api/events", r#"{"topic":"news","data":1}"#).await;
    problem(&news, 403, None, &["publish", "events/news"]);
    // This one may post something, so a bad body is told apart.
    problem(&of_orders.post_json("/api/events", "{").await, 400, None, &["JSON"]);

    let of_nothing = c.client.bearing(&grants(&["*"], &["chat/*"]));
    for body in ["{", r#"{"topic":"news","data":1}"#, "", &"x".repeat(40_000)] {
        problem(&of_nothing.post_json("/api/events", body).await, 403, None, &["publish", "events"]);
        problem(&of_nothing.post_json("/api/stock", body).await, 403, None, &["publish", "stock"]);
    }
    let of_one_room = c.client.bearing(&grants(&[], &["chat/lobby"]));
    let room = c.room();
    let answer = of_one_room.post_json(&format!("/api/chat/{room}"), "{").await;
    problem(&answer, 403, None, &["publish", &room]);
}

async fn places(c: Context) {
    let room = format!("/api/chat/{}", c.room());
    let speaker = token(json!({ "sub": "grace", "subscribe": ["*"], "publish": ["*"] }));
    let own = format!("http://{}", c.client.authority());
    let (bearer, lower) = (format!("Bearer {speaker}"), format!("bearer {speaker}"));
    let (cookie, alone) = (cookie(&speaker), format!("ssedge_token={speaker}"));
    let query = format!("?access_token={speaker}");
    for (headers, query) in [
        (&[("Authorization", &*bearer)][..], ""),
        (&[("Authorization", &lower)], ""),
        (&[(COOKIE, &cookie), ("Origin", &own)], ""),
        (&[(COOKIE, &alone), ("Origin", &own)], ""),
        (&[], &query),
    ] {
        let headers = [headers, &[JSON]].concat();
        let path = format!("{room}{query}");
        let posted = c.client.post(&path, &headers, r#"{"text":"hi"}"#).await;
        assert_eq!((posted.status, &posted.json()["user"]), (201, &json!("grace")), "{headers:?} {path}");
        let mut stream = c.client.open(&path, &headers).await;
        first_block(&mut stream).await;
        assert_eq!(stream.plain(1).await.len(), 1);
        let location = format!("{}{query}", posted.header("Location"));
        assert_eq!(c.client.get(&location, &headers).await.status, 200, "{location}");
    }
}

async fn precedence(c: Context) {
    let room = format!("/api/chat/{}", c.room());
    let good = |sub: &str| token(json!({ "sub": sub, "subscribe": ["*"], "publish": ["*"] }));
    let (bad, own) = (signed(FOREIGN, HEADER, "{}"), format!("http://{}", c.client.authority()));
    let ask = async |bearer: Option<&str>, in_cookie: Option<&str>, in_query: Option<&str>| -> Answer {
        let bearer = bearer.map(|token| format!("Bearer {token}"));
        let in_cookie = in_cookie.map(|token| format!("ssedge_token={token}"));
        let mut headers = vec![JSON, ("Origin", own.as_str())];
        headers.extend(bearer.as_deref().map(|value| ("Authorization", value)));
        headers.extend(in_cookie.as_deref().map(|value| (COOKIE, value)));
        let query = in_query.map(|token| format!("?access_token={token}")).unwrap_or_default();
        let path = format!("{room}{query}");
        let read = c.client.get(&path, &[&headers[..], &[("Accept", "application/json")]].concat()).await;
        let posted = c.client.post(&path, &headers, r#"{"text":"hi"}"#).await;
        assert_eq!(read.status == 401, posted.status == 401, "one rule for all: {read:?} {posted:?}");
        posted
    };
    let (one, two, three) = (good("one"), good("two"), good("three"));
    let (one, two, three, bad) = (Some(&*one), Some(&*two), Some(&*three), Some(&*bad));
    let empty = Some("");
    for (bearer, in_cookie, in_query, user) in [
        (one, two, three, "one"),
        (None, two, three, "two"),
        (None, None, three, "three"),
        (one, bad, bad, "one"),
        (None, two, bad, "two"),
        (None, empty, three, "three"),
    ] {
        let posted = ask(bearer, in_cookie, in_query).await;
        assert_eq!(posted.status, 201, "for {user}: {posted:?}");
        assert_eq!(posted.json()["user"], user);
    }
    for (bearer, in_cookie, in_query) in [
        (bad, two, three),
        (None, bad, three),
        (None, None, bad),
        (bad, None, None),
        (empty, two, three),
        (empty, None, None),
    ] {
        problem(&ask(bearer, in_cookie, in_query).await, 401, None, &["token"]);
    }
}

async fn none(c: Context) {
    let room = format!("/api/chat/{}", c.room());
    for (name, value) in [
        ("Authorization", "Basic YTpi"),
        ("Authorization", "Digest a"),
        (COOKIE, "ssedge_token="),
        (COOKIE, "ssedge_token"),
        (COOKIE, "xssedge_token=x; ssedge_tokens=x; SSEDGE_TOKEN=x"),
        (COOKIE, "a=ssedge_token=x"),
    ] {
        let answer = c.client.post(&room, &[JSON, (name, value)], HI).await;
        assert_eq!(answer.status, 201, "{name}: {value}: {answer:?}");
    }
    for query in ["?access_token=", "?access_token", "?accesstoken=x", "?token=x"] {
        assert_eq!(reads(&c.client, &format!("{room}{query}")).await, 200, "{query}");
    }
}

async fn other_cookies(c: Context) {
    let good = grants(&[], &["events/cookies"]);
    let own = format!("http://{}", c.client.authority());
    let long = "x".repeat(4_000);
    for other in
        ["name=Ren\u{e9}e", "a=\"b c\"", "a", "=", "a=b=c", "ssedge_token2=x", "a=%", "\u{fffd}=1", &long]
    {
        for line in [format!("{other}; ssedge_token={good}"), format!("ssedge_token={good};{other}")] {
            let headers = [JSON, ("Origin", &*own), (COOKIE, &line)];
            // Nobody may do this without the token.
            let answer = c.client.post("/api/events", &headers, r#"{"topic":"cookies","data":1}"#).await;
            assert_eq!(answer.status, 201, "{line:.60}: {answer:?}");
        }
    }
}

async fn leeway(c: Context) {
    for (exp, nbf, says) in [
        (3_600, None, None),
        (-15, None, None),
        (-45, None, Some("expired")),
        (-1_000_000, None, Some("expired")),
        (3_600, Some(-10), None),
        (3_600, Some(15), None),
        (3_600, Some(45), Some("nbf")),
        (30_000_000, Some(20_000_000), Some("nbf")),
        (400 * 24 * 3_600 + 60, None, Some("milliseconds")),
    ] {
        let at = |offset: i64| now().saturating_add_signed(offset);
        let mut claims = json!({ "subscribe": ["*"], "exp": at(exp) });
        if let Some(nbf) = nbf {
            claims["nbf"] = at(nbf).into();
        }
        let answer = c.client.bearing(&token(claims)).get_json("/api/chat").await;
        match says {
            None => assert_eq!(answer.status, 200, "exp {exp}, nbf {nbf:?}: {answer:?}"),
            Some(word) => {
                problem(&answer, 401, None, &["token", word]);
                assert_eq!(answer.header("WWW-Authenticate"), "Bearer");
            }
        }
    }
}

async fn rotation(c: Context) {
    let claims =
        json!({ "sub": "ada", "exp": now() + 3_600, "subscribe": ["*"], "publish": ["*"] }).to_string();
    let room = format!("/api/chat/{}", c.room());
    for (key, status) in [(SECRET, [200, 201]), (PREVIOUS, [200, 201]), (FOREIGN, [401, 401])] {
        let holder = c.client.bearing(&signed(key, HEADER, &claims));
        let got = [reads(&holder, &room).await, holder.post_json(&room, HI).await.status];
        assert_eq!(got, status, "{key}");
    }
}

/// Posts with the user's cookie, as a page of this origin makes a browser do it.
pub(super) async fn post_by_cookie(c: &Context, path: &str, origin: Option<&str>) -> Answer {
    let cookie = cookie(&token(json!({ "sub": "ada", "subscribe": ["*"], "publish": ["*"] })));
    let mut headers = vec![JSON, (COOKIE, cookie.as_str())];
    headers.extend(origin.map(|origin| ("Origin", origin)));
    c.client.post(path, &headers, r#"{"text":"hi"}"#).await
}

async fn cookie_from_here(c: Context) {
    let room = format!("/api/chat/{}", c.room());
    let own = format!("http://{}", c.client.authority());
    let emptied = format!("ssedge_token=; {}", cookie(&grants(&["*"], &["*"])));
    let twice = c.client.post(&room, &[JSON, (COOKIE, &emptied), ("Origin", &own)], HI).await;
    assert_eq!(twice.status, 201, "a good cookie behind an emptied one: {twice:?}");
    for origin in ["https://a.example", &own] {
        let answer = post_by_cookie(&c, &room, Some(origin)).await;
        assert_eq!(answer.status, 201, "{origin}: {answer:?}");
    }
    // Any page may post without the user's cookie, and with a token that it has from elsewhere.
    let foreign = [JSON, ("Origin", "https://b.example")];
    assert_eq!(c.client.post(&room, &foreign, HI).await.status, 201);
    let holder = c.client.bearing(&grants(&[], &["*"]));
    assert_eq!(holder.post(&room, &foreign, HI).await.status, 201);
}

async fn cookie_from_own(c: Context) {
    let own = format!("http://{}", c.client.authority());
    let posted = post_by_cookie(&c, &format!("/api/chat/{}", c.room()), Some(&own)).await;
    assert_eq!(posted.status, 201, "{posted:?}");
    for origin in [Some("https://a.example"), Some("null"), Some("*"), None] {
        let room = format!("/api/chat/{}", c.room());
        problem(&post_by_cookie(&c, &room, origin).await, 403, Some("Origin"), &["Origin"]);
        assert_eq!(c.client.get_json(&room).await.text, r#"{"messages":[],"cursor":"0"}"#, "{origin:?}");
    }
}

async fn sub_is_user(c: Context) {
    let room = format!("/api/chat/{}", c.room());
    let longest = "é".repeat(40);
    for sub in ["ada", "Ada Lovelace", "a", &longest] {
        let holder = c.client.bearing(&token(json!({ "sub": sub, "publish": ["chat/*"] })));
        for body in [json!({ "text": "hi" }), json!({ "user": sub, "text": "hi" })] {
            let posted = holder.post_json(&room, &body.to_string()).await;
            assert_eq!((posted.status, &posted.json()["user"]), (201, &json!(sub)), "{body}");
        }
        for user in ["eve", "ADA", "ad", "a."] {
            let posted = holder.post_json(&room, &json!({ "user": user, "text": "hi" }).to_string()).await;
            problem(&posted, 403, Some("user"), &["user", "sub"]);
            assert_eq!(posted.json()["type"], "urn:ssedge:problem:user");
        }
        problem(&holder.post_json(&room, r#"{"user":7,"text":"hi"}"#).await, 400, Some("user"), &["string"]);
    }
    let nameless = c.client.bearing(&grants(&[], &["chat/*"]));
    problem(&nameless.post_json(&room, r#"{"text":"hi"}"#).await, 400, Some("user"), &["missing"]);
    let posted = nameless.post_json(&room, r#"{"user":"anybody","text":"hi"}"#).await;
    assert_eq!(posted.json()["user"], "anybody", "{posted:?}");
}

async fn sub_is_no_user(c: Context) {
    let room = format!("/api/chat/{}", c.room());
    let long = "a".repeat(41);
    for sub in ["", " ", "a\u{7}b", "a\tb", &long] {
        let claims = json!({ "sub": sub, "subscribe": ["*"], "publish": ["*"] });
        let holder = c.client.bearing(&token(claims));
        for body in [json!({ "text": "hi" }), json!({ "user": "ada", "text": "hi" })] {
            problem(&holder.post_json(&room, &body.to_string()).await, 403, Some("user"), &["sub"]);
        }
        assert_eq!(reads(&holder, &room).await, 200, "{sub:?}");
        let notification = holder.post_json("/api/events", r#"{"topic":"named","data":1}"#).await;
        assert_eq!(notification.status, 201, "{sub:?}: {notification:?}");
    }
    assert_eq!(c.client.get_json(&room).await.text, r#"{"messages":[],"cursor":"0"}"#, "nothing was said");
}

/// The last that a stream says whose token has expired.
const EXPIRED: &str = "event: expired\ndata: {\"reason\":\"token expired\"}\n\n";

/// Seconds until a token expires, or until its leeway ends.
const SOON: u64 = 8;
/// How late its streams may end, by clocks of whole seconds: long before the heartbeat that is due next.
const LATE: u64 = 5;

/// Opens one stream of each feed and waits until all have ended, as they must with their token, at this time; whether
/// they did so in time.
async fn end_with(c: &Context, token: &str, at: u64) -> bool {
    let paths =
        ["/api/events?tick=250", "/api/events?tick=off", "/api/stock?history=0", "/api/chat?history=0"];
    let open = join_all(paths.map(|path| async move {
        let mut stream = c.client.open(&format!("{path}&access_token={token}"), &[]).await;
        first_block(&mut stream).await;
        (path, stream)
    }));
    let open = open.await;
    let ends = join_all(open.into_iter().map(|(path, mut stream)| async move {
        let (heard, end) = stream.rest(PATIENCE).await;
        let ended = now();
        assert_eq!(end, End::Ended, "{path}: {heard:?}");
        assert!(ended >= at, "{path} ended before {at}, at {ended}");
        assert!(stream.text().ends_with(EXPIRED), "{path}: {:?}", stream.text());
        ended
    }));
    c.idle(ends).await.into_iter().all(|ended| ended <= at + LATE)
}

/// One of these tokens, each of which is made when it is used, must end its streams in time.
async fn ends_in_time(c: &Context, token: impl Fn(u64) -> String) {
    let mut tries = 0;
    loop {
        let at = now() + SOON;
        if end_with(c, &token(at), at).await {
            return;
        }
        tries += 1;
        assert!(tries < TRIES, "streams end more than {LATE} s after their token");
    }
}

async fn expires(c: Context) {
    let long = c.client.bearing(&grants(&["*"], &[]));
    let room = c.room();
    let mut beside = long.open(&format!("/api/chat/{room}"), &[]).await;
    first_block(&mut beside).await;
    ends_in_time(&c, |at| token(json!({ "subscribe": ["*"], "exp": at }))).await;
    let id = c.client.say(&room, "and so does the room").await.to_string();
    assert_eq!(beside.message().await.last_event_id, id, "others go on");
}

async fn expires_late(c: Context) {
    let late = |at: u64| token(json!({ "subscribe": ["*"], "exp": at - 30 }));
    ends_in_time(&c, late).await;
    let late = late(now() - 1);
    problem(&c.client.bearing(&late).get_json("/api/chat").await, 401, None, &["expired"]);
}
