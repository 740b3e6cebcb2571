//! What a log must never hold: who said what, from where, and by which token.

#![allow(clippy::missing_panics_doc, reason = "a host that does not answer as it must is a failed test")]

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::client::{Answer, Client, EventSource, PATIENCE};
use crate::host::{Host, turn};
use crate::token::{FOREIGN, HEADER, PREVIOUS, SECRET, now, signed, token};

/// Settings under which everything can be done and everything is logged.
pub const VARS: &[(&str, &str)] = &[
    ("LOG_LEVEL", "debug"),
    ("AUTH_SECRET", SECRET),
    ("AUTH_SECRET_PREVIOUS", PREVIOUS),
    ("STOCK_SOURCE", "published"),
    ("STOCK_SYMBOLS", "ACME"),
    ("POST_RATE", "1"),
    ("POST_BURST", "5"),
    ("STREAMS_PER_SENDER", "4"),
    ("HEARTBEAT_SECS", "1"),
    ("STREAM_SECS", "3"),
];

/// The texts of one visit, each by what it is. No word of a log is one of them by chance.
#[derive(Debug, Default)]
struct Secrets(BTreeMap<&'static str, Vec<String>>);

impl Secrets {
    fn keep(&mut self, what: &'static str, text: &str) -> String {
        self.0.entry(what).or_default().push(text.to_owned());
        text.to_owned()
    }

    /// A token, of which no part may be told.
    fn keep_token(&mut self, token: String) -> String {
        for part in token.split('.') {
            self.keep("a token", part);
        }
        token
    }

    /// What of it a log holds, with the line.
    fn found_in(&self, log: &str) -> Vec<String> {
        let all = self.0.iter().flat_map(|(what, texts)| texts.iter().map(move |text| (what, text)));
        let found = all.flat_map(|(what, text)| {
            let lines = log.lines().filter(move |line| line.contains(text.as_str()));
            lines.map(move |line| format!("{what} ({text}): {line}"))
        });
        found.collect()
    }
}

/// Lets somebody at this address do a bit of everything, and checks that the log has all the refusals and no secret.
pub async fn check(host: &Host, client: &Client, address: &str) {
    let _turn = turn().await;
    let secrets = visit(client, address).await;
    let deadline = Instant::now() + PATIENCE;
    for status in [400, 401, 403, 404, 406, 413, 415, 422, 429] {
        // What was printed may still be on its way.
        while !host.log().contains(&format!("refused with {status}")) {
            assert!(Instant::now() < deadline, "{status} is not in the log:\n{}", host.log());
            sleep(Duration::from_millis(20)).await;
        }
    }
    let found = secrets.found_in(&host.log());
    assert!(found.is_empty(), "the log tells:\n{}", found.join("\n"));
}

/// Does a bit of everything, well and badly.
async fn visit(client: &Client, address: &str) -> Secrets {
    let mut secrets = Secrets::default();
    secrets.keep("the address", address);
    for key in [SECRET, PREVIOUS] {
        secrets.keep("the key", key);
    }
    let user = secrets.keep("the user", "Ottilie Quux");
    let text = secrets.keep("the text", "meet me at the plover's nest");
    let data = secrets.keep("the data", "four hundred zlotys");
    let cursor = secrets.keep("a cursor", "zyzzyva-cursor");
    let key = secrets.keep("a key", "idempotency-of-ottilie");
    let good = json!({ "sub": user, "subscribe": ["*"], "publish": ["*"], "exp": now() + 3_600 });
    let good = secrets.keep_token(token(good));
    let expired = secrets.keep_token(token(json!({ "sub": user, "exp": 1 })));
    let foreign = secrets.keep_token(signed(FOREIGN, HEADER, json!({ "sub": user }).to_string()));
    let poor = secrets.keep_token(token(json!({ "sub": user })));

    let holder = client.bearing(&good);
    let chat = "/api/chat/nest";
    let message = json!({ "user": user, "text": text }).to_string();
    expect(&client.post_json(chat, &message).await, 201);
    let json = ("Content-Type", "application/json");
    let headers = [json, ("Idempotency-Key", key.as_str())];
    expect(&holder.post(chat, &headers, &json!({ "text": text }).to_string()).await, 201);
    expect(&holder.post(chat, &headers, &json!({ "text": text }).to_string()).await, 200);
    expect(&holder.post(chat, &headers, &json!({ "text": data }).to_string()).await, 422);
    let notification = json!({ "topic": "orders", "data": data }).to_string();
    expect(&holder.post_json("/api/events", &notification).await, 201);
    expect(&holder.post_json("/api/stock", r#"{"symbol":"ACME","price":1}"#).await, 201);

    // Refusals, by everything that is looked at.
    for token in [&expired, &foreign, &data] {
        expect(&client.bearing(token).get(chat, &[]).await, 401);
        expect(&client.bearing(token).post_json(chat, &message).await, 401);
        expect(&client.get(&format!("{chat}?access_token={}", token.replace(' ', "+")), &[]).await, 401);
        expect(&client.get(chat, &[("Cookie", &format!("ssedge_token={token}"))]).await, 401);
    }
    expect(&client.bearing(&poor).get(chat, &[]).await, 403);
    expect(&client.post_json("/api/events", &notification).await, 403);
    let by_cookie = [json, ("Cookie", &*format!("ssedge_token={good}")), ("Origin", "https://b.example")];
    expect(&client.post(chat, &by_cookie, &message).await, 403);
    expect(&holder.post_json(chat, &json!({ "user": "eve", "text": text }).to_string()).await, 403);
    for bad in [
        json!({ "user": format!("{user}\r{user}"), "text": text }).to_string(),
        json!({ "user": user, "text": format!("{text}\0{text}") }).to_string(),
        json!({ "user": user.repeat(4), "text": text }).to_string(),
        format!(r#"{{"user":"{user}","text":"{text}""#),
        format!(r#"{{"user":"{user}","{text}":1,"text":{{"{data}":1}}}}"#),
    ] {
        expect(&client.post_json(chat, &bad).await, 400);
    }
    expect(&client.post(chat, &[], &message).await, 415);
    expect(&client.post_json(chat, &text.repeat(1_400)).await, 413);
    expect(&client.get(chat, &[("Accept", "text/html")]).await, 406);
    // The query of who leaves a name out.
    expect(&client.get(&format!("{chat}?{cursor}&{cursor}"), &[]).await, 400);
    expect(&client.get(&format!("{chat}/messages/1"), &[]).await, 404);
    expect(&client.get(&format!("/api/chat/{}", user.replace(' ', "%20")), &[]).await, 400);
    let posts = join_all((0..20).map(|_| client.post_json(chat, &message))).await;
    assert!(posts.iter().any(|answer| answer.status == 429), "{posts:?}");

    // Streams: one that ends by plan and comes back, one with a gap, one whose token expires, more than there may be.
    let mut source = EventSource::new(client, &format!("{chat}?history=1&lastEventId={cursor}"));
    while source.connects() < 2 {
        source.next(PATIENCE).await.expect("the stream is there");
    }
    let short = secrets.keep_token(token(json!({ "sub": user, "subscribe": ["*"], "exp": now() + 2 })));
    let mut expiring = client.bearing(&short).open("/api/events?history=1", &[]).await;
    expiring.collect_until(|message| message.data.contains(&data)).await;
    expiring.rest(PATIENCE).await;
    let mut crowd = Vec::new();
    for _ in 0..6 {
        crowd.push(holder.open(&format!("{chat}?lastEventId={cursor}"), &[]).await);
    }
    for mut stream in crowd {
        stream.rest(PATIENCE).await;
    }
    secrets
}

#[track_caller]
fn expect(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_tells_is_found_out() {
        let mut secrets = Secrets::default();
        secrets.keep("the text", "meet me");
        secrets.keep_token("aaaa.bbbb.cccc".into());
        assert_eq!(secrets.found_in("refused with 401\nmeat me\nWarn lost a channel\n"), [""; 0]);
        let told = "refused with 401: the token bbbb is no good\nhe said: meet me\n";
        let [token, text] = &secrets.found_in(told)[..] else { panic!("not both are found") };
        assert!(token.contains("a token (bbbb)") && text.contains("he said: meet me"), "{token}, {text}");
    }
}
