//! Channels of one's own: how they end.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::channels::{NDJSON, append, entries, kept, last, own};
use super::{Case, Context, first_block, problem};
use crate::client::{Answer, Client, End, PATIENCE, Stream};
use crate::token::{grants, token};

pub(super) const CASES: &[Case] = cases! {
    "Channels of your own", "a close is told on streams that are open, behind all entries, and ends them" => told;
    "Channels of your own", "who comes to a closed channel gets what is left and the end, or 204" => nothing_left;
    "Channels of your own", "a closed channel takes nothing, and says why and where" => closed;
    "Channels of your own", "active=1 is a stream only while the channel is open" => active;
    "Channels of your own", "a lease that runs out ends the channel as abandoned" => abandoned;
    "Channels of your own", "a lease that is renewed does not run out" => renewed;
    "Channels of your own", "keep begins with the first entry" => keep;
    "Channels of your own", "DELETE ends streams, and the name goes on with higher ids" => deleted;
    "Channels of your own", "the grant to close is enough to close, and for nothing else" => may_close;
    "Channels of your own", "a reader of some keys is told the end, too" => filtered;
};

/// The shortest lease.
const LEASE: Duration = Duration::from_secs(5);

/// Closes the channel for this reason, with nothing appended.
async fn close(client: &Client, path: &str, reason: &str) -> Answer {
    client.post(&format!("{path}?close=1&reason={reason}"), &[], "").await
}

async fn delete(client: &Client, path: &str) {
    let answer = client.request(http::Method::DELETE, path, &[], None).await;
    assert_eq!((answer.status, &*answer.text), (204, ""), "{answer:?}");
}

/// The next message must be the end of the channel, and then the stream ends.
async fn ends(stream: &mut Stream, reason: &str, last: u64) {
    let message = stream.message().await;
    assert_eq!((&*message.event, &*message.last_event_id), ("end", &*last.to_string()), "{message:?}");
    assert_eq!(message.data, format!(r#"{{"reason":"{reason}","last":"{last}"}}"#));
    assert_eq!(stream.rest(PATIENCE).await.1, End::Ended);
}

/// There must be no stream, and never will be.
async fn is_over(c: &Context, client: &Client, target: &str, headers: &[(&str, &str)]) {
    let answer = client.get(target, headers).await;
    if c.host == "lambda" {
        problem(&answer, 410, None, &["ended"]);
        assert_eq!(answer.json()["type"], "urn:ssedge:problem:ended");
    } else {
        assert_eq!((answer.status, &*answer.text), (204, ""), "{target}: {answer:?}");
    }
}

/// The channel must have ended so.
#[track_caller]
fn is_closed(answer: &Answer, reason: &str, id: u64) {
    problem(answer, 409, None, &[reason]);
    let document = answer.json();
    assert_eq!(
        (&document["type"], &document["reason"]),
        (&json!("urn:ssedge:problem:closed"), &json!(reason))
    );
    assert_eq!(last(answer), id);
}

async fn told(c: Context) {
    let (client, path) = own(&c);
    let mut streams = Vec::new();
    for query in ["", "?history=all", "?newest=1"] {
        let mut stream = client.open(&format!("{path}{query}"), &[]).await;
        first_block(&mut stream).await;
        streams.push(stream);
    }
    append(&client, &path, "1").await;
    let answer = client.post(&format!("{path}?close=1"), &[NDJSON], "2\n3").await;
    assert_eq!((answer.status, &answer.json()["count"]), (201, &json!(2)), "{answer:?}");
    for mut stream in streams {
        let heard: Vec<_> = entries(&mut stream, 3).await.into_iter().map(|(.., data)| data).collect();
        assert_eq!(heard, ["1", "2", "3"]);
        ends(&mut stream, "done", last(&answer)).await;
    }
}

async fn nothing_left(c: Context) {
    let (client, path) = own(&c);
    let id = append(&client, &path, "1\n2").await;
    let mut open = client.open(&path, &[]).await;
    first_block(&mut open).await;
    let answer = close(&client, &path, "stopped").await;
    assert_eq!((answer.status, last(&answer)), (201, id), "{answer:?}");
    ends(&mut open, "stopped", id).await;
    is_over(&c, &client, &path, &[("Last-Event-ID", &id.to_string())]).await;
    is_over(&c, &client, &format!("{path}?lastEventId={id}&events=bare"), &[]).await;
    is_over(&c, &client, &path, &[]).await;
    for (query, n) in [("?history=all", 2), ("?history=1", 1), (&*format!("?lastEventId={}", id - 1), 1)] {
        let mut stream = client.open(&format!("{path}{query}"), &[]).await;
        first_block(&mut stream).await;
        entries(&mut stream, n).await;
        ends(&mut stream, "stopped", id).await;
    }
    let head = client.head(&path, &[]).await;
    let status = if c.host == "lambda" { 200 } else { 204 };
    assert_eq!((head.status, head.header("ETag")), (status, &*format!("\"{id}\"")), "{head:?}");
    let snapshot = client.get_json(&format!("{path}?history=all")).await.json();
    assert_eq!(
        (&snapshot["closed"], &snapshot["cursor"]),
        (&json!({ "reason": "stopped" }), &json!(id.to_string()))
    );
    assert_eq!(snapshot["entries"].as_array().map(Vec::len), Some(2), "{snapshot}");
}

async fn closed(c: Context) {
    let (client, path) = own(&c);
    let id = append(&client, &path, "1").await;
    assert_eq!(close(&client, &path, "stopped").await.status, 201);
    for (query, body) in [("", "2"), ("?close=1&reason=stopped", "2"), ("?close=1", ""), ("?lease=5", "")] {
        let headers: &[_] = if body.is_empty() { &[] } else { &[NDJSON] };
        is_closed(&client.post(&format!("{path}{query}"), headers, body).await, "stopped", id);
    }
    let again = close(&client, &path, "stopped").await;
    assert_eq!((again.status, last(&again), &again.json()["count"]), (200, id, &json!(0)), "{again:?}");
    problem(
        &client.post(&path, &[NDJSON, ("If-None-Match", "*")], "2").await,
        412,
        Some("If-None-Match"),
        &[&id.to_string()],
    );
    assert_eq!(kept(&client, &path).await, ["1"]);
    // One that never had an entry can be closed, too.
    let (_, empty) = own(&c);
    let answer = close(&client, &empty, "done").await;
    assert_eq!(answer.status, 201, "{answer:?}");
    is_over(&c, &client, &format!("{empty}?history=all"), &[]).await;
    is_closed(&client.post(&empty, &[NDJSON], "1").await, "done", last(&answer));
    assert_eq!(client.get_json(&empty).await.json()["closed"], json!({ "reason": "done" }));
}

async fn active(c: Context) {
    let (client, path) = own(&c);
    let target = format!("{path}?active=1");
    is_over(&c, &client, &target, &[]).await;
    append(&client, &path, "1").await;
    let mut stream = client.open(&target, &[]).await;
    first_block(&mut stream).await;
    let bare = client.open(&format!("{target}&events=bare&history=all"), &[]).await;
    assert_eq!(bare.status, 200);
    close(&client, &path, "done").await;
    is_over(&c, &client, &target, &[]).await;
    is_over(&c, &client, &format!("{target}&history=all"), &[]).await;
}

async fn abandoned(c: Context) {
    let (client, path) = own(&c);
    let (_, unread) = own(&c);
    let (_, unasked) = own(&c);
    let from = Instant::now();
    let mut ids = Vec::new();
    for path in [&path, &unread, &unasked] {
        ids.push(append(&client, &format!("{path}?lease=5"), "1").await);
    }
    let mut stream = client.open(&path, &[]).await;
    first_block(&mut stream).await;
    c.idle(ends(&mut stream, "abandoned", ids[0])).await;
    assert!(from.elapsed() >= LEASE, "it was open for {:?}", from.elapsed());
    is_closed(&client.post(&path, &[NDJSON], "2").await, "abandoned", ids[0]);
    tokio::time::sleep_until(from + LEASE + Duration::from_secs(2)).await;
    let snapshot = client.get_json(&format!("{unread}?history=all")).await.json();
    assert_eq!(snapshot["closed"], json!({ "reason": "abandoned" }), "{snapshot}");
    is_closed(&client.post(&unasked, &[NDJSON], "2").await, "abandoned", ids[2]);
    is_over(&c, &client, &unasked, &[("Last-Event-ID", &ids[2].to_string())]).await;
}

async fn renewed(c: Context) {
    let (client, path) = own(&c);
    let mut at = Instant::now();
    let id = append(&client, &format!("{path}?lease=5"), "1").await;
    for n in 0..3 {
        c.sleep(Duration::from_secs(3)).await;
        if at.elapsed() > LEASE {
            c.is_inconclusive();
        }
        at = Instant::now();
        if n == 1 {
            // An entry renews it as well.
            append(&client, &path, "2").await;
            continue;
        }
        let answer = client.post(&format!("{path}?lease=5"), &[], "").await;
        assert_eq!((answer.status, &answer.json()["count"]), (200, &json!(0)), "{answer:?}");
        assert_eq!(last(&answer), if n == 0 { id } else { id + 1 });
    }
    let snapshot = client.get_json(&path).await.json();
    assert_eq!(snapshot["closed"], json!(null));
    // There is nothing to renew.
    let (_, empty) = own(&c);
    let answer = client.post(&format!("{empty}?lease=5"), &[], "").await;
    assert_eq!((answer.status, last(&answer)), (200, 0), "{answer:?}");
}

async fn keep(c: Context) {
    let (client, path) = own(&c);
    append(&client, &format!("{path}?keep=60"), "1").await;
    append(&client, &format!("{path}?keep=3600"), "2").await;
    assert_eq!(kept(&client, &path).await, ["1", "2"]);
}

async fn deleted(c: Context) {
    let (client, path) = own(&c);
    delete(&client, &path).await;
    let id = append(&client, &path, "1\n2").await;
    let mut stream = client.open(&format!("{path}?history=all"), &[]).await;
    first_block(&mut stream).await;
    entries(&mut stream, 2).await;
    delete(&client, &path).await;
    ends(&mut stream, "deleted", id).await;
    assert!(kept(&client, &path).await.is_empty());
    let next = append(&client, &path, "3").await;
    assert!(next > id, "{next} after {id}");
    assert_eq!(kept(&client, &path).await, ["3"]);
    // Who was told the end misses nothing.
    let mut again = client.open(&path, &[("Last-Event-ID", &id.to_string())]).await;
    first_block(&mut again).await;
    assert_eq!(entries(&mut again, 1).await[0].2, "3");
    // One that was closed is open again.
    close(&client, &path, "done").await;
    delete(&client, &path).await;
    assert!(append(&client, &path, "4").await > next);
    assert_eq!(client.get_json(&path).await.json()["closed"], json!(null));
}

async fn may_close(c: Context) {
    let (client, path) = own(&c);
    let id = append(&client, &path, "1").await;
    let name = path.trim_start_matches("/api/");
    let closer = c.client.bearing(&token(json!({ "close": [name] })));
    problem(&closer.post(&path, &[NDJSON], "2").await, 403, None, &["no grant to publish"]);
    problem(
        &closer.post(&format!("{path}?close=1"), &[NDJSON], "2").await,
        403,
        None,
        &["no grant to publish"],
    );
    problem(&closer.post(&format!("{path}?lease=5"), &[], "").await, 403, None, &["no grant to publish"]);
    problem(&closer.get_json(&path).await, 403, None, &["no grant to subscribe"]);
    let deleted = closer.request(http::Method::DELETE, &path, &[], None).await;
    problem(&deleted, 403, None, &["no grant to publish"]);
    let reader = c.client.bearing(&grants(&["channels/*"], &[]));
    problem(&close(&reader, &path, "done").await, 403, None, &["no grant"]);
    problem(&close(&c.client, &path, "done").await, 403, None, &["no grant"]);
    let answer = close(&closer, &path, "stopped").await;
    assert_eq!((answer.status, last(&answer)), (201, id), "{answer:?}");
    is_closed(&client.post(&path, &[NDJSON], "2").await, "stopped", id);
}

async fn filtered(c: Context) {
    let (client, path) = own(&c);
    let mut stream = client.open(&format!("{path}?keys=a"), &[]).await;
    first_block(&mut stream).await;
    append(&client, &format!("{path}?key=a"), "1").await;
    let id = append(&client, &format!("{path}?key=b&close=1"), "2").await;
    let heard = stream.collect_until(|message| message.event == "end").await;
    let data: Vec<_> = heard.iter().map(|message| (&*message.event, &*message.data)).collect();
    let end = format!(r#"{{"reason":"done","last":"{id}"}}"#);
    assert_eq!(data, [("message", "1"), ("end", &*end)]);
    assert_eq!(stream.cursor(), id.to_string());
}
