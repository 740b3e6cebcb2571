//! What holds of every feed of the table, with the examples that the OpenAPI document shows. A feed that is added to the
//! table is checked by being there.

use ssedge::feeds::Feeds;
use ssedge::settings::Variables;

use super::{Case, Context, first_block, first_gap, problem};
use crate::client::{Answer, Client};
use crate::document::openapi;
use crate::token::grants;

pub(super) const CASES: &[Case] = cases! {
    "Streams", "of every feed: the first block tells a cursor, and the head the same" => begins;
    "Streams", "of every feed: what is posted is 201, and each reader gets exactly that, with an id" => delivered;
    "Streams", "of every feed: a reader that comes back gets what it has not had, by header and by query" => resumed;
    "Streams", "of every feed: a cursor that is none is a gap, never a refusal" => unknown_cursor;
    "Snapshots", "of every feed: a snapshot has what is stored, and a stream goes on behind its cursor" => snapshot;
    "Errors", "of every feed: a body that is no JSON, or lacks its fields, is 400" => bad_bodies;
    "Errors", "of every feed: other methods and representations are refused, and told what is taken" => refused;
    "Access", "of every feed: without a grant there is no post, and a bad token is 401" => ungranted;
    "Chat rooms", "of every feed: a key that comes again answers the same, and stores nothing" => repeated;
};

/// A path at which something can be posted, in a deployment that takes posts of every feed.
#[derive(Debug)]
pub(super) struct Path {
    /// With its placeholders filled in.
    pub path: String,
    /// The example of a body.
    body: String,
    /// What a snapshot calls its list.
    list: &'static str,
    /// Whether a caller without a token may post.
    is_open: bool,
    /// Whether any JSON may be posted, which readers then get as it is.
    takes_any: bool,
    /// What `Allow` says.
    methods: &'static str,
}

/// The feeds as the table has them. Those that need a setting before they take posts have it.
pub(super) fn feeds() -> Feeds {
    let read = |vars: &[(&str, &str)]| {
        let lookup =
            |name: &str| vars.iter().find(|(var, _)| *var == name).map(|(_, value)| (*value).to_owned());
        Feeds::read(&Variables::new(&lookup)).expect("the settings are good")
    };
    let settings: Vec<_> = read(&[]).for_posts().collect();
    read(&settings)
}

/// Every path at which something can be posted. Its placeholders are filled in with `name`.
pub(super) fn paths(name: &str) -> Vec<Path> {
    let (document, feeds) = (openapi(), feeds());
    let mut found = Vec::new();
    for feed in feeds.iter() {
        for (_, path, _) in feed.endpoints().iter().filter(|(method, ..)| method.as_str() == "POST") {
            let content = &document["paths"][path]["post"]["requestBody"]["content"]["application/json"];
            let (example, schema) = (&content["example"], content["schema"]["$ref"].as_str());
            let schema = document.pointer(&schema.expect("the body has a schema")[1..]).expect("it is there");
            assert!(example.is_object(), "{path} has no example of a body");
            // One of several segments is one that anybody may read.
            let public = format!("public/{name}");
            let segments = path.split('/').map(|part| match part {
                "{name}" => &*public,
                part if part.starts_with('{') => name,
                part => part,
            });
            found.push(Path {
                path: segments.collect::<Vec<_>>().join("/"),
                body: example.to_string(),
                list: feed.list(),
                is_open: feed.is_open_to_anonymous(),
                takes_any: !schema["properties"].is_object(),
                methods: if feed.has_ends() {
                    "GET, HEAD, POST, DELETE, OPTIONS"
                } else {
                    "GET, HEAD, POST, OPTIONS"
                },
            });
        }
    }
    assert!(found.len() >= 3, "{found:?}");
    found
}

/// Somebody who may read and publish everything.
fn anybody(c: &Context) -> Client {
    c.client.bearing(&grants(&["*"], &["*"]))
}

impl Path {
    async fn post(&self, client: &Client) -> Answer {
        let answer = client.post_json(&self.path, &self.body).await;
        assert_eq!((answer.status, answer.header("Content-Type")), (201, "application/json"), "{answer:?}");
        answer
    }

    /// What readers get of a post that was answered so.
    fn data(&self, stored: &Answer) -> String {
        if self.takes_any { self.body.clone() } else { stored.text.clone() }
    }
}

async fn begins(c: Context) {
    for path in paths(&c.room()) {
        first_block(&mut anybody(&c).open(&path.path, &[]).await).await;
    }
}

async fn delivered(c: Context) {
    for path in paths(&c.room()) {
        let client = anybody(&c);
        let mut stream = client.open(&path.path, &[]).await;
        first_block(&mut stream).await;
        let stored = path.post(&client).await;
        let heard = stream.collect_until(|message| message.data == path.data(&stored)).await;
        let id = &heard.last().expect("it is heard").last_event_id;
        assert!(id.parse::<u64>().is_ok(), "{path:?} has the id {id:?}");
        let location = stored.header("Location");
        if !location.is_empty() {
            assert_eq!(client.get(location, &[]).await.text, stored.text, "{location}");
        }
    }
}

async fn resumed(c: Context) {
    for path in paths(&c.room()) {
        let client = anybody(&c);
        let mut stream = client.open(&path.path, &[]).await;
        let (_, before) = first_block(&mut stream).await;
        let stored = path.post(&client).await;
        let by_query = format!("{}?lastEventId={before}", path.path);
        for (target, headers) in [(&path.path, &[("Last-Event-ID", &*before)][..]), (&by_query, &[])] {
            let mut again = client.open(target, headers).await;
            assert_eq!(first_block(&mut again).await.1, before, "{target}");
            again.collect_until(|message| message.data == path.data(&stored)).await;
        }
    }
}

async fn unknown_cursor(c: Context) {
    for path in paths(&c.room()) {
        let mut stream = anybody(&c).open(&path.path, &[("Last-Event-ID", "no cursor")]).await;
        first_gap(&mut stream, "unknown", "no cursor").await;
    }
}

async fn snapshot(c: Context) {
    for path in paths(&c.room()) {
        let client = anybody(&c);
        let mut stream = client.open(&path.path, &[]).await;
        let (_, before) = first_block(&mut stream).await;
        let stored = path.post(&client).await;
        let answer = client.get_json(&format!("{}?lastEventId={before}", path.path)).await;
        let document = answer.json();
        let newest = document[path.list].as_array().and_then(|list| list.last());
        let data = path.data(&stored);
        let shown = newest.is_some_and(|entry| entry["data"] == *data) || answer.text.contains(&data);
        assert!(newest.is_some() && shown, "{path:?}: {answer:?}");
        let cursor = document["cursor"].as_str().expect("a cursor is a string").to_owned();
        let behind = path.post(&client).await;
        let mut rest = client.open(&format!("{}?lastEventId={cursor}", path.path), &[]).await;
        assert_eq!(first_block(&mut rest).await.1, cursor);
        let heard = rest.collect_until(|message| message.data == path.data(&behind)).await;
        assert!(heard.iter().all(|message| message.last_event_id != cursor), "{path:?} repeats {cursor}");
    }
}

async fn bad_bodies(c: Context) {
    for path in paths(&c.room()) {
        problem(&anybody(&c).post_json(&path.path, "{").await, 400, None, &["JSON"]);
        if path.takes_any {
            continue;
        }
        for body in ["", "[]", "\"text\""] {
            problem(&anybody(&c).post_json(&path.path, body).await, 400, None, &["JSON object"]);
        }
        let empty = anybody(&c).post_json(&path.path, "{}").await;
        let field = empty.json()["field"].as_str().map(str::to_owned);
        let field = field.unwrap_or_else(|| panic!("{path:?} names no field: {empty:?}"));
        problem(&empty, 400, Some(&field), &[&field]);
    }
}

async fn refused(c: Context) {
    for path in paths(&c.room()) {
        let put = anybody(&c).request(http::Method::PUT, &path.path, &[], None).await;
        problem(&put, 405, None, &["GET", "POST"]);
        assert_eq!(put.header("Allow"), path.methods);
        let page = anybody(&c).get(&path.path, &[("Accept", "text/html")]).await;
        problem(&page, 406, Some("Accept"), &["text/event-stream"]);
        let text = anybody(&c).post(&path.path, &[("Content-Type", "text/html")], &path.body).await;
        problem(&text, 415, Some("Content-Type"), &["application/json"]);
        let head = anybody(&c).head(&path.path, &[]).await;
        assert_eq!((head.status, head.header("Content-Type")), (200, "text/event-stream; charset=utf-8"));
    }
}

async fn ungranted(c: Context) {
    for path in paths(&c.room()) {
        let without = c.client.post_json(&path.path, &path.body).await;
        assert_eq!(without.status, if path.is_open { 201 } else { 403 }, "{path:?}: {without:?}");
        let nothing = c.client.bearing(&grants(&[], &[]));
        problem(&nothing.post_json(&path.path, &path.body).await, 403, None, &["no grant to publish"]);
        problem(&nothing.get_json(&path.path).await, 403, None, &["no grant to subscribe"]);
        let bad = c.client.bearing("no.token.atall");
        problem(&bad.post_json(&path.path, &path.body).await, 401, None, &["token"]);
    }
}

async fn repeated(c: Context) {
    for path in paths(&c.room()) {
        let key = c.room();
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", &*key)];
        let client = anybody(&c);
        let first = client.post(&path.path, &headers, &path.body).await;
        let again = client.post(&path.path, &headers, &path.body).await;
        assert_eq!((first.status, again.status), (201, 200), "{first:?} {again:?}");
        assert_eq!((again.header("Idempotent-Replayed"), &again.text), ("true", &first.text));
    }
}
