//! Ticks and notifications: what is published with a token, and every way to read it.

use serde_json::{Value, json};

use super::events::unix_ms;
use super::{Case, Context, first_block, problem};
use crate::client::{Answer, Client, Message};
use crate::token::grants;

pub(super) const CASES: &[Case] = cases! {
    "Ticks and notifications", "a notification is 201, and the same by stream, history, resume and snapshot" => notification;
    "Ticks and notifications", "data arrives as it was sent: digits, order of keys, escapes normalised" => as_sent;
    "Ticks and notifications", "a name that the publisher chose is the event's type" => names;
    "Ticks and notifications", "named=off is every notification as a plain message" => without_names;
    "Ticks and notifications", "names of the stream itself are refused" => reserved_names;
    "Ticks and notifications", "readers hear the topics that they chose, or all" => by_topic;
    "Ticks and notifications", "history is of the topics that were chosen" => history;
    "Ticks and notifications", "a notification against its rules is 400, with the field" => bad_notifications;
    "Quotes", "a quote is 201, and the same by stream, history, resume and snapshot" => quote;
    "Quotes", "the change is that from the quote before, in integer cents" => change;
    "Quotes", "readers hear the symbols that they chose, and snapshots have the newest of each" => by_symbol;
    "Quotes", "a quote against its rules is 400, with the field" => bad_quotes;
};

/// Somebody who may publish anything.
pub(super) fn publisher(c: &Context) -> Client {
    c.client.bearing(&grants(&[], &["events", "stock"]))
}

/// Publishes and answers what was stored, as it was answered.
pub(super) async fn publish(publisher: &Client, path: &str, body: &str) -> String {
    let answer = publisher.post_json(path, body).await;
    assert_eq!(
        (answer.status, answer.header("Content-Type")),
        (201, "application/json"),
        "{body}: {answer:?}"
    );
    answer.text
}

async fn notify(c: &Context, topic: &str, data: &Value) -> String {
    let body = json!({ "topic": topic, "data": data }).to_string();
    publish(&publisher(c), "/api/events", &body).await
}

/// A field of a body that is a string.
fn text(body: &str, field: &str) -> String {
    let text =
        serde_json::from_str::<Value>(body).ok().and_then(|body| body[field].as_str().map(str::to_owned));
    text.unwrap_or_else(|| panic!("no {field}: {body}"))
}

/// What was read must be these, each as its publisher was answered.
#[track_caller]
fn check(heard: &[Message], bodies: &[String]) {
    let data: Vec<_> = heard.iter().map(|message| &message.data).collect();
    assert_eq!(data, bodies.iter().collect::<Vec<_>>());
}

async fn notification(c: Context) {
    let topic = c.room();
    let path = format!("/api/events?topics={topic}&tick=off");
    let mut live = c.client.open(&path, &[]).await;
    first_block(&mut live).await;
    let mut bodies = Vec::new();
    for n in 1..=3 {
        bodies.push(notify(&c, &topic, &json!({ "n": n })).await);
    }
    let (id, time) = (text(&bodies[0], "id"), text(&bodies[0], "time"));
    unix_ms(&time);
    let expected = format!(
        r#"{{"type":"notification","id":"{id}","topic":"{topic}","time":"{time}","data":{{"n":1}}}}"#
    );
    assert_eq!(bodies[0], expected);

    check(&live.plain(3).await, &bodies);
    let block = format!("\n\nid: {id}\ndata: {expected}\n\n");
    assert!(live.text().contains(&block), "{:?}", live.text());
    check(&c.client.open(&format!("{path}&history=3"), &[]).await.plain(3).await, &bodies);
    let mut by_header = c.client.open(&path, &[("Last-Event-ID", &id)]).await;
    assert_eq!(first_block(&mut by_header).await.1, id);
    check(&by_header.plain(2).await, &bodies[1..]);
    check(&c.client.open(&format!("{path}&lastEventId={id}"), &[]).await.plain(2).await, &bodies[1..]);

    let snapshot = async |query: &str| c.client.get_json(&format!("{path}&{query}")).await.text;
    let all = snapshot("history=3").await;
    let listed = format!(r#"{{"notifications":[{}],"cursor":""#, bodies.join(","));
    assert!(all.starts_with(&listed), "{all}");
    let rest = snapshot(&format!("lastEventId={id}")).await;
    let listed = format!(r#"{{"notifications":[{}],"cursor":""#, bodies[1..].join(","));
    assert!(rest.starts_with(&listed), "{rest}");
}

async fn as_sent(c: Context) {
    let topic = c.room();
    let path = format!("/api/events?topics={topic}&tick=off");
    let mut stream = c.client.open(&path, &[]).await;
    first_block(&mut stream).await;
    for (sent, arrives) in [
        ("null", "null"),
        ("\"\"", "\"\""),
        ("[ ]", "[]"),
        ("1.10", "1.10"),
        ("-0", "-0"),
        ("1E400", "1E400"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        (r#"{ "z" : 1, "a": [1e5, 2.50],	"m": {} }"#, r#"{"z":1,"a":[1e5,2.50],"m":{}}"#),
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":1,"b":2,"a":3}"#),
        (r#"{"\u0061\u000a":"\u0041\/\u00e9\ud83d\ude00"}"#, r#"{"a\n":"A/é😀"}"#),
        ("\"\u{2028}\u{feff}\"", "\"\\u2028\u{feff}\""),
        ("{\"\u{2029}\":\"\u{85}\"}", "{\"\\u2029\":\"\\u0085\"}"),
        (r#""</script>""#, r#""</script>""#),
    ] {
        let body = format!("{{\"data\":\r\n{sent}\n,\"topic\":\"{topic}\"}}");
        let stored = publish(&publisher(&c), "/api/events", &body).await;
        assert!(stored.ends_with(&format!(r#","data":{arrives}}}"#)), "{sent} became {stored}");
        assert_eq!(stream.message().await.data, stored, "{sent}");
        let snapshot = c.client.get_json(&format!("{path}&history=1")).await.text;
        assert!(snapshot.contains(&stored), "{sent} became {snapshot}");
    }
}

async fn names(c: Context) {
    let topic = c.room();
    let path = format!("/api/events?topics={topic}&tick=off");
    let mut stream = c.client.open(&path, &[]).await;
    first_block(&mut stream).await;
    let longest = "n".repeat(64);
    for name in ["order-created", "v1.2_X", "message", "Cursor", "data", &longest] {
        let body = json!({ "topic": topic, "data": name, "event": name }).to_string();
        let stored = publish(&publisher(&c), "/api/events", &body).await;
        let heard = stream.message().await;
        let id = text(&stored, "id");
        assert_eq!((&*heard.event, &*heard.data, &*heard.last_event_id), (name, &*stored, &*id));
        assert_eq!(text(&stored, "event"), name);
        let block = format!("event: {name}\nid: {id}\ndata: {stored}\n\n");
        assert!(stream.text().ends_with(&block), "{:?}", stream.text());
        let mut replayed = c.client.open(&format!("{path}&history=1"), &[]).await;
        first_block(&mut replayed).await;
        assert_eq!(replayed.message().await.event, name, "by replay, too");
    }
}

/// Beside a reader who hears the names, and from memory, from the log and at the moment.
async fn without_names(c: Context) {
    let topic = c.room();
    let path = format!("/api/events?topics={topic}&tick=off");
    let mut named = c.client.open(&path, &[]).await;
    first_block(&mut named).await;
    let plain = format!("{path}&named=off");
    let mut stream = c.client.open(&plain, &[]).await;
    first_block(&mut stream).await;
    let body = json!({ "topic": topic, "data": 1, "event": "order-created" }).to_string();
    let stored = publish(&publisher(&c), "/api/events", &body).await;
    let mut replayed = c.client.open(&format!("{plain}&history=1"), &[]).await;
    first_block(&mut replayed).await;
    for reader in [&mut stream, &mut replayed] {
        let heard = reader.message().await;
        assert_eq!(
            (&*heard.event, &*heard.data, heard.last_event_id),
            ("message", &*stored, text(&stored, "id"))
        );
    }
    assert_eq!(named.message().await.event, "order-created");
    let answer = c.client.get("/api/events?named=no", &[]).await;
    problem(&answer, 400, Some("named"), &["on", "off"]);
}

async fn refused(path: &str, publisher: &Client, body: &str, field: Option<&str>, says: &[&str]) {
    let answer: Answer = publisher.post_json(path, body).await;
    assert_eq!(answer.status, 400, "{body:.200}: {answer:?}");
    problem(&answer, 400, field, says);
}

async fn reserved_names(c: Context) {
    let publisher = publisher(&c);
    for name in ["cursor", "gap", "expired", "error", "open"] {
        let body = json!({ "topic": "a", "data": 1, "event": name }).to_string();
        refused("/api/events", &publisher, &body, Some("event"), &["reserved", name]).await;
    }
}

async fn by_topic(c: Context) {
    let (one, other) = (c.room(), c.room());
    let open = async |topics: &str| {
        let mut stream = c.client.open(&format!("/api/events?tick=off{topics}"), &[]).await;
        first_block(&mut stream).await;
        stream
    };
    let mut of_one = open(&format!("&topics={one}")).await;
    let mut of_both = open(&format!("&topics={other},{one}")).await;
    let mut of_all = open("").await;
    let mut bodies = Vec::new();
    for (n, topic) in [&one, &other, &other, &one].into_iter().enumerate() {
        bodies.push(notify(&c, topic, &n.into()).await);
    }
    let ends = [bodies[0].clone(), bodies[3].clone()];
    check(&of_one.plain(2).await, &ends);
    check(&of_both.plain(4).await, &bodies);
    let of_these = |heard: Vec<Message>| -> Vec<_> {
        let these = [format!(r#""topic":"{one}""#), format!(r#""topic":"{other}""#)];
        heard.into_iter().filter(|m| these.iter().any(|topic| m.data.contains(topic))).collect()
    };
    let heard = of_all.collect_until(|message| message.data == bodies[3]).await;
    check(&of_these(heard), &bodies);
    // A cursor is a place in the channel, whatever the topics of the stream that it came from.
    let cursor = text(&bodies[1], "id");
    let mut resumed =
        c.client.open(&format!("/api/events?tick=off&topics={one}&lastEventId={cursor}"), &[]).await;
    assert_eq!(first_block(&mut resumed).await.1, cursor);
    check(&resumed.plain(1).await, &bodies[3..]);
}

async fn history(c: Context) {
    let (one, other) = (c.room(), c.room());
    let mut bodies = Vec::new();
    for n in 0..4 {
        bodies.push(notify(&c, &one, &n.into()).await);
        notify(&c, &other, &n.into()).await;
    }
    let mut stream = c.client.open(&format!("/api/events?tick=off&topics={one}&history=2"), &[]).await;
    first_block(&mut stream).await;
    check(&stream.plain(2).await, &bodies[2..]);
    bodies.push(notify(&c, &one, &"live".into()).await);
    check(&stream.plain(1).await, &bodies[4..]);
}

async fn bad_notifications(c: Context) {
    let publisher = publisher(&c);
    let long = "t".repeat(65);
    for topic in ["", "a b", "a/b", "é", "*", &long] {
        let body = json!({ "topic": topic, "data": 1 }).to_string();
        refused("/api/events", &publisher, &body, Some("topic"), &["topic", "64"]).await;
    }
    for event in ["", "a b", "a:b", "é", &long] {
        let body = json!({ "topic": "a", "data": 1, "event": event }).to_string();
        refused("/api/events", &publisher, &body, Some("event"), &["event", "64"]).await;
    }
    for (body, field, says) in [
        (r#"{"data":1}"#, Some("topic"), "missing"),
        (r#"{"topic":1,"data":1}"#, Some("topic"), "string"),
        (r#"{"topic":"a"}"#, Some("data"), "missing"),
        (r#"{"topic":"a","data":1,"event":7}"#, Some("event"), "string"),
        (r#"{"topic":"a","data":}"#, None, "JSON object"),
        (r#"{"topic":"a","data":01}"#, None, "JSON object"),
        (r#"{"topic":"a","data":NaN}"#, None, "JSON object"),
        (r#"["a",1]"#, None, "JSON object"),
    ] {
        refused("/api/events", &publisher, body, field, &[says]).await;
    }
}

async fn set(c: &Context, symbol: &str, price: &str) -> String {
    publish(&publisher(c), "/api/stock", &format!(r#"{{"symbol":"{symbol}","price":{price}}}"#)).await
}

async fn quote(c: Context) {
    let path = "/api/stock?symbols=QUOTE";
    let mut live = c.client.open(path, &[]).await;
    first_block(&mut live).await;
    let bodies =
        [set(&c, "QUOTE", "189.34").await, set(&c, "QUOTE", "189.30").await, set(&c, "QUOTE", "7").await];
    let time = text(&bodies[0], "time");
    unix_ms(&time);
    assert_eq!(bodies[0], format!(r#"{{"symbol":"QUOTE","price":189.34,"change":0,"time":"{time}"}}"#));
    assert!(bodies[1].starts_with(r#"{"symbol":"QUOTE","price":189.3,"change":-0.04,"#), "{}", bodies[1]);

    let heard = live.plain(3).await;
    check(&heard, &bodies);
    let id = &heard[0].last_event_id;
    let block = format!("\n\nid: {id}\ndata: {}\n\n", bodies[0]);
    assert!(live.text().contains(&block), "{:?}", live.text());
    check(&c.client.open(&format!("{path}&history=3"), &[]).await.plain(3).await, &bodies);
    let mut by_header = c.client.open(path, &[("Last-Event-ID", id)]).await;
    assert_eq!(first_block(&mut by_header).await.1, *id);
    check(&by_header.plain(2).await, &bodies[1..]);
    check(&c.client.open(&format!("{path}&lastEventId={id}"), &[]).await.plain(2).await, &bodies[1..]);
    let snapshot = c.client.get_json(path).await.text;
    assert!(snapshot.starts_with(&format!(r#"{{"quotes":[{}],"cursor":""#, bodies[2])), "{snapshot}");
}

async fn change(c: Context) {
    for (price, change) in [
        ("0.01", "0"),
        ("0.10", "0.09"),
        ("0.30", "0.2"),
        ("0.30", "0"),
        ("9999999999999.99", "9999999999999.69"),
        ("0.01", "-9999999999999.98"),
        ("1000", "999.99"),
    ] {
        let body = set(&c, "CHANGE", price).await;
        assert!(body.contains(&format!(r#","change":{change},"time":""#)), "{price}: {body}");
    }
}

async fn by_symbol(c: Context) {
    let mut of_one = c.client.open("/api/stock?symbols=ONE", &[]).await;
    let mut of_both = c.client.open("/api/stock?symbols=OTHER,ONE", &[]).await;
    for stream in [&mut of_one, &mut of_both] {
        first_block(stream).await;
    }
    let mut bodies = Vec::new();
    for (symbol, price) in [("ONE", "1"), ("OTHER", "2"), ("OTHER", "3"), ("ONE", "4")] {
        bodies.push(set(&c, symbol, price).await);
    }
    let ends = [bodies[0].clone(), bodies[3].clone()];
    check(&of_one.plain(2).await, &ends);
    check(&of_both.plain(4).await, &bodies);
    let snapshot = c.client.get_json("/api/stock?symbols=ONE,OTHER").await.json();
    let newest: Vec<Value> =
        bodies[2..].iter().map(|body| serde_json::from_str(body).expect("JSON")).collect();
    assert_eq!(snapshot["quotes"], Value::from(newest));
    let one = c.client.get_json("/api/stock?symbols=ONE").await.text;
    assert!(one.starts_with(&format!(r#"{{"quotes":[{}],"#, bodies[3])), "{one}");
}

async fn bad_quotes(c: Context) {
    let publisher = publisher(&c);
    for symbol in ["\"NOPE\"", "\"one\"", "\"\"", "1", "null"] {
        let body = format!(r#"{{"symbol":{symbol},"price":1}}"#);
        refused("/api/stock", &publisher, &body, Some("symbol"), &["symbol"]).await;
    }
    for price in
        ["0", "-1", "0.001", "1.234", "10000000000000", "1e2", "\"1\"", "null", "true", "[1]", "{\"a\":1}"]
    {
        let body = format!(r#"{{"symbol":"ONE","price":{price}}}"#);
        refused("/api/stock", &publisher, &body, Some("price"), &["price"]).await;
    }
    refused("/api/stock", &publisher, r#"{"symbol":"ONE"}"#, Some("price"), &[]).await;
    refused("/api/stock", &publisher, r#"{"price":1}"#, Some("symbol"), &["missing"]).await;
    refused("/api/stock", &publisher, r#"{"symbol":"ONE","price":NaN}"#, None, &["JSON object"]).await;
}
