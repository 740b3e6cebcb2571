//! The documents against the streams: each block that a session sends is described, in both of them, and nothing is
//! described that never comes.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use ssedge::feeds::Drafts;
use ssedge::limits::{BACKLOG_BYTES, FILTER_CURSOR};
use ssedge::log::{Batch, EndReason, Entry, Filter, GapReason, Start};
use ssedge::route::{Deployment, Peer, Plan, plan, request_head};
use ssedge::session::{Input, StreamConfig, StreamRequest, WhenSlow};
use ssedge::settings::Host;
use ssedge::sse::{Decoded, Decoder};
use ssedge_tests::document::{Document, below, filled, openapi, operations};
use ssedge_tests::stream::{CONFIG, NOW, SECOND, Stream, gap, id};

/// A feed of the table: its name, that of its events in the OpenAPI document, and what it sends.
struct Feed {
    channel: String,
    events: String,
    requests: Vec<StreamRequest>,
    entries: Vec<Entry>,
}

/// What a GET of the path comes to. The stream itself begins at the place that the test says.
fn request(deployment: &Deployment, target: &str) -> StreamRequest {
    let head = request_head("GET", target, []).unwrap();
    match plan(&head, Peer::default(), deployment, NOW) {
        Ok(Plan::Stream(request, _)) => *request,
        other => panic!("{target}: {other:?}"),
    }
}

/// Every feed, as a deployment has it that chooses nothing, and as one that takes posts of it. Its entries, from 42 on, are
/// those of the example that the document shows.
fn feeds() -> Vec<Feed> {
    let default = Deployment::read(Host::Worker, |_| None).unwrap();
    let settings: BTreeMap<_, _> = default.feeds.for_posts().collect();
    let lookup = |name: &str| settings.get(name).map(|value| (*value).to_owned());
    let deployments = [Deployment::read(Host::Worker, lookup).unwrap(), default];
    let document = openapi();
    let feeds = deployments[0].feeds.channels("lobby");
    let feeds = feeds.map(|(feed, channel)| {
        let (_, path, _) = feed.endpoints().first().unwrap();
        let operations = &document["paths"][path];
        let stream = operations["get"]["responses"]["200"]["$ref"].as_str().unwrap();
        let stream = document.pointer(&stream[1..]).unwrap();
        let events = stream["content"]["text/event-stream"]["itemSchema"]["$ref"].as_str().unwrap();
        let body = &operations["post"]["requestBody"]["content"]["application/json"]["example"];
        let drafts = Drafts::of_json(feed, &channel, body.to_string().as_bytes(), None).unwrap();
        let draft = drafts.drafts.into_iter().next().unwrap();
        let path = filled(path);
        let words = words(&document, &operations["get"]);
        let targets = ["history=5", "lastEventId=x"].map(str::to_owned).into_iter().chain(words);
        let targets =
            targets.map(|query| format!("{path}?{query}")).chain([path.clone()]).collect::<Vec<_>>();
        let requests = deployments
            .iter()
            .flat_map(|deployment| targets.iter().map(move |target| request(deployment, target)));
        Feed {
            channel: feed.name().to_owned(),
            events: events.rsplit('/').next().unwrap().to_owned(),
            requests: requests.collect(),
            entries: (42..44).map(|n| draft.entry(id(n), NOW, None)).collect(),
        }
    });
    feeds.collect()
}

/// A query for each word that a parameter of the operation may be.
fn words(document: &Value, operation: &Value) -> Vec<String> {
    let parameters = operation["parameters"].as_array().unwrap().iter();
    let parameters = parameters.map(|it| document.pointer(&it["$ref"].as_str().unwrap()[1..]).unwrap());
    let query = |parameter: &Value| {
        let words = parameter["schema"]["enum"].as_array().into_iter().flatten();
        words
            .map(|word| format!("{}={}", parameter["name"].as_str().unwrap(), word.as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    parameters.flat_map(query).collect()
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
        if request.has_ends {
            let end = Entry::end_at(id(44), NOW, &EndReason::DONE);
            let entries: Vec<_> = feed.entries.iter().cloned().chain([end]).collect();
            let batch = Batch::encode(id(41), &entries, &Filter::ALL);
            run(rotating, &|stream| stream.page(Start::at(id(41)), batch.clone(), false));
        }
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
    let fields = block.lines().filter(|line| !line.starts_with(':'));
    for (field, value) in fields.filter_map(|line| line.split_once(": ")) {
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
        let messages = below(&below("/channels", &feed.channel), "messages");
        let names: Vec<_> = asyncapi.at(&messages).0.as_object().unwrap().keys().cloned().collect();
        let mut came = BTreeSet::new();
        for said in said(&feed) {
            // A block of comments alone tells a client nothing.
            let blocks = said
                .split_terminator("\n\n")
                .filter(|block| block.lines().any(|line| !line.starts_with(':')));
            for block in blocks {
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
                    openapi.check_event(&feed.events, &event);
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
    let shown = openapi()["components"]["responses"].clone();
    let shown = shown.as_object().unwrap().values().filter_map(|it| it["content"].get("text/event-stream"));
    let shown: Vec<_> = shown.filter(|content| content.get("itemSchema").is_some()).collect();
    assert_eq!(shown.len(), feeds().len(), "each feed shows a stream");
    for content in shown {
        let events = content["itemSchema"]["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
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
        operation["operationId"].as_str().is_some_and(|id| id.starts_with("follow"))
    });
    let followed = followed.map(|(_, path, operation)| {
        let parameters = operation["parameters"].as_array().unwrap().iter();
        let parameters = parameters.map(|it| openapi.pointer(&it["$ref"].as_str().unwrap()[1..]).unwrap());
        let query =
            parameters.filter(|it| it["in"] == "query").map(|it| it["name"].as_str().unwrap().to_owned());
        (operation["operationId"].as_str().unwrap().to_owned(), (path.to_owned(), query.collect()))
    });
    let followed: BTreeMap<_, _> = followed.collect();
    for (name, stream) in &streams {
        assert_eq!(followed.get(name), Some(stream), "{name}");
    }
    // A feed may have its stream at more than one path, of which that of all its channels is described.
    assert_eq!(streams.len(), feeds().len());
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
