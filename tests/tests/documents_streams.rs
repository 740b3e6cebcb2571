//! The documents against the streams: each block that a session sends is described, in both of them, and nothing is
//! described that never comes.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};
use ssedge::feeds::Feeds;
use ssedge::feeds::events::Clock;
use ssedge::feeds::stock::{Market, Symbol};
use ssedge::limits::{BACKLOG_BYTES, FILTER_CURSOR};
use ssedge::log::{Batch, Entry, Filter, GapReason, Position, Start, Subscribe};
use ssedge::session::{Input, StreamConfig, StreamRequest, Ticks, Timetable, WhenSlow};
use ssedge::settings::Variables;
use ssedge::sse::{Decoded, Decoder};
use ssedge_tests::document::{Document, below, openapi, operations};
use ssedge_tests::stream::{CONFIG, NOW, SECOND, Stream, channel_name, gap, id, replayed};

/// A feed: the name of its channel in the AsyncAPI document, that of its events in the other one, and what it sends.
struct Feed {
    channel: &'static str,
    events: &'static str,
    requests: Vec<StreamRequest>,
    entries: Vec<Entry>,
}

fn symbols() -> Vec<Symbol> {
    ["ACME", "GLBX"].map(|name| Symbol::new(name).unwrap()).into()
}

fn request(channel: &str, ticks: Option<Arc<dyn Ticks>>) -> StreamRequest {
    let subscribe = Subscribe { position: Position::History(0), filter: Filter::ALL, newest: false };
    StreamRequest {
        log: Some((channel_name(channel), subscribe)),
        ticks: ticks.map(|ticks| Timetable { interval: SECOND, ticks, replay: None }),
        when_slow: if channel == "stock" { WhenSlow::Newest } else { WhenSlow::End },
        has_custom_events: channel == "events",
    }
}

fn market(position: Position) -> StreamRequest {
    replayed(Market { symbols: symbols() }, SECOND, position)
}

/// Entries from 42 on, of these bodies of posts.
fn entries(channel: &str, bodies: &[&str]) -> Vec<Entry> {
    let published = |name: &str| (name == "STOCK_SOURCE").then(|| "published".to_owned());
    let feeds = Feeds::read(&Variables::new(&published)).unwrap();
    let channel = channel_name(channel);
    let feed = feeds.named(channel.as_str().split('/').next().unwrap()).unwrap();
    let draft = |body: &&str| feed.draft(&channel, body.as_bytes(), None).unwrap();
    bodies.iter().map(draft).zip(42..).map(|(draft, n)| draft.entry(id(n), NOW, None)).collect()
}

fn feeds() -> [Feed; 3] {
    [
        Feed {
            channel: "chat",
            events: "ChatEvent",
            requests: vec![request("chat/lobby", None)],
            entries: entries(
                "chat/lobby",
                &[r#"{"user":"ada","text":"hi"}"#, r#"{"user":" ada ","text":"a\nb"}"#],
            ),
        },
        Feed {
            channel: "events",
            events: "EventsEvent",
            requests: vec![request("events", Some(Arc::new(Clock))), request("events", None)],
            entries: entries(
                "events",
                &[
                    r#"{"topic":"orders","data":{"order":1},"event":"order-created"}"#,
                    r#"{"topic":"orders","data":null,"event":"message"}"#,
                    r#"{"topic":"orders","data":[1.10,"x"]}"#,
                ],
            ),
        },
        Feed {
            channel: "stock",
            events: "QuotesEvent",
            requests: vec![
                request("stock", None),
                market(Position::History(5)),
                market(Position::after("x")),
            ],
            entries: entries(
                "stock",
                &[r#"{"symbol":"ACME","price":189.34}"#, r#"{"symbol":"ACME","price":189.3}"#],
            ),
        },
    ]
}

/// What streams of the feed say, each from its beginning to its end.
fn said(feed: &Feed) -> Vec<String> {
    let batch = |filter| Batch::encode(id(41), &feed.entries, filter);
    let none = Filter::keys(["none".into()]);
    let expiring = StreamConfig { expires: Some(NOW + 2 * FILTER_CURSOR), ..CONFIG };
    let rotating = StreamConfig { life: Some(2 * FILTER_CURSOR), ..CONFIG };
    let mut said = Vec::new();
    for request in &feed.requests {
        let mut run = |config, act: &dyn Fn(&mut Stream)| {
            let mut stream = Stream::open(request.clone(), config, 7);
            act(&mut stream);
            stream.run(3 * FILTER_CURSOR);
            said.push(stream.said());
        };
        run(expiring, &|stream| stream.page(Start::at(id(41)), batch(&Filter::ALL), false));
        run(rotating, &|stream| stream.page(gap(GapReason::Expired, "7", 41), batch(&none), false));
        let newest = Batch::newest(id(41), &feed.entries, &Filter::ALL)
            .filter(|_| request.when_slow == WhenSlow::Newest);
        run(rotating, &|stream| stream.page(Start::at(id(41)), newest.clone(), false));
        run(rotating, &|stream| stream.input(Input::Lost));
        run(rotating, &|stream| {
            // A reader that takes nothing for some time.
            stream.page(Start::at(id(41)), None, false);
            stream.input(Input::Backlog(2 * BACKLOG_BYTES));
            stream.run(5 * SECOND);
            stream.input(Input::Backlog(0));
        });
    }
    said
}

/// A block as the AsyncAPI document sees it: its `data`, and its other fields.
fn parts(block: &str) -> (Value, Value) {
    let mut headers = Map::new();
    let mut payload = Value::Null;
    for (field, value) in block.lines().filter_map(|line| line.split_once(": ")) {
        match field {
            "data" => payload = serde_json::from_str(value).unwrap(),
            "retry" => drop(headers.insert(field.to_owned(), value.parse::<u64>().unwrap().into())),
            _ => drop(headers.insert(field.to_owned(), value.into())),
        }
    }
    (headers.into(), payload)
}

#[test]
fn every_block_of_a_stream_is_described_and_every_description_comes() {
    let (mut asyncapi, mut openapi) = (Document::closed_asyncapi(), Document::closed_openapi());
    for feed in feeds() {
        let messages = below(&below("/channels", feed.channel), "messages");
        let names: Vec<_> = asyncapi.at(&messages).0.as_object().unwrap().keys().cloned().collect();
        let mut came = BTreeSet::new();
        for said in said(&feed) {
            for block in said.split_terminator("\n\n") {
                let (headers, payload) = parts(block);
                let is = |name: &&String| {
                    let message = below(&messages, name);
                    let place = asyncapi.at(&message).1;
                    let place = place.split_once('#').unwrap().1.to_owned();
                    asyncapi.validate(&below(&place, "headers"), &headers).is_ok()
                        && asyncapi.validate(&below(&place, "payload"), &payload).is_ok()
                };
                let kinds: Vec<_> = names.iter().filter(is).cloned().collect();
                assert_eq!(kinds.len(), 1, "{}: {block:?} is {kinds:?}", feed.channel);
                came.extend(kinds);
            }
            let mut decoder = Decoder::new();
            let check = |decoded| {
                if let Decoded::Message(event) = decoded {
                    openapi.check_event(feed.events, &event);
                }
            };
            decoder.feed(said.as_bytes(), check).unwrap();
        }
        assert_eq!(
            came,
            names.into_iter().collect(),
            "what comes on {}, and what is described",
            feed.channel
        );
    }
}

#[test]
fn the_streams_that_are_shown_are_as_described() {
    let mut document = Document::closed_openapi();
    for (response, events) in [("Events", "EventsEvent"), ("Quotes", "QuotesEvent"), ("Chat", "ChatEvent")] {
        let content =
            document.at(&below("/components/responses", response)).0["content"]["text/event-stream"].clone();
        assert_eq!(content["itemSchema"]["$ref"], format!("#/components/schemas/{events}"));
        let shown = content["examples"]["stream"]["serializedValue"].as_str().unwrap();
        let mut events_shown = 0;
        let check = |decoded| {
            if let Decoded::Message(event) = decoded {
                document.check_event(events, &event);
                events_shown += 1;
            }
        };
        Decoder::new().feed(shown.as_bytes(), check).unwrap();
        assert!(events_shown > 1, "{shown}");
    }
}

#[test]
fn asyncapi_has_the_streams_of_the_other_document() {
    let (openapi, asyncapi) = (openapi(), Document::closed_asyncapi());
    let (info, _) = asyncapi.at("/info");
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    let (document, _) = asyncapi.at("");
    let mut streams = BTreeMap::new();
    for (name, operation) in document["operations"].as_object().unwrap() {
        let channel = operation["channel"]["$ref"].as_str().unwrap().trim_start_matches('#');
        let query = operation["bindings"]["http"]["query"]["properties"].as_object().unwrap().keys().cloned();
        let address = asyncapi.at(channel).0["address"].as_str().unwrap().to_owned();
        streams.insert(name.clone(), (address, query.collect::<BTreeSet<_>>()));
    }
    let followed = operations(&openapi).filter(|(.., operation)| {
        // The lobby is a room.
        operation["operationId"].as_str().is_some_and(|id| id.starts_with("follow") && id != "followLobby")
    });
    let followed = followed.map(|(_, path, operation)| {
        let parameters = operation["parameters"].as_array().unwrap().iter();
        let parameters = parameters.map(|it| openapi.pointer(&it["$ref"].as_str().unwrap()[1..]).unwrap());
        let query =
            parameters.filter(|it| it["in"] == "query").map(|it| it["name"].as_str().unwrap().to_owned());
        (operation["operationId"].as_str().unwrap().to_owned(), (path.to_owned(), query.collect()))
    });
    assert_eq!(streams, followed.collect());
}

#[test]
fn asyncapi_shows_what_it_describes() {
    let mut asyncapi = Document::closed_asyncapi();
    let messages = asyncapi.at("/components/messages").0.clone();
    for (name, message) in messages.as_object().unwrap() {
        for example in message["examples"].as_array().unwrap() {
            let place = below("/components/messages", name);
            let headers = example.get("headers").cloned().unwrap_or_else(|| Map::new().into());
            asyncapi.check(name, &below(&place, "headers"), &headers);
            asyncapi.check(name, &below(&place, "payload"), &example["payload"]);
        }
    }
}
