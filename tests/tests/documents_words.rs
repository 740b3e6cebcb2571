//! docs/api.md against the OpenAPI document and the code: what it says of a feed's parameters, bodies and entries.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Map, Value};
use ssedge::feeds::{Drafts, Feed};
use ssedge::log::ChannelName;
use ssedge::route::Deployment;
use ssedge::settings::Host;
use ssedge_tests::document::openapi;
use ssedge_tests::host::root;
use ssedge_tests::stream::{NOW, id};

/// The section of docs/api.md that is about the feed.
fn section(feed: &dyn Feed) -> String {
    let api = fs::read_to_string(root().join("docs/api.md")).unwrap();
    let (_, path, _) = feed.endpoints().first().unwrap();
    let begins = format!("`GET {path}`");
    let section = api.split("\n## ").find(|section| section.contains(&begins));
    section.unwrap_or_else(|| panic!("docs/api.md does not say {begins}")).to_owned()
}

/// The objects that the text shows in code, behind these words; of `…` in place of a value any value is good.
fn shown(text: &str, behind: &str) -> Vec<Map<String, Value>> {
    let code = text.match_indices(behind).map(|(at, _)| text[at + behind.len()..].split('`').next().unwrap());
    let json = code.filter(|code| code.starts_with('{')).map(|code| code.replace(":…", ":1"));
    json.map(|json| serde_json::from_str(&json).unwrap_or_else(|e| panic!("{json}: {e}"))).collect()
}

fn each_feed(check: impl Fn(&dyn Feed, &ChannelName)) {
    let deployment = Deployment::read(Host::Worker, |_| None).unwrap();
    deployment.feeds.channels("lobby").for_each(|(feed, channel)| check(feed, &channel));
}

#[test]
fn the_parameters_of_a_feed_are_those_of_the_document() {
    let document = openapi();
    each_feed(|feed, _| {
        let section = section(feed);
        let (_, path, _) = feed.endpoints().first().unwrap();
        let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap().iter();
        let parameters = parameters.map(|it| document.pointer(&it["$ref"].as_str().unwrap()[1..]).unwrap());
        let own = parameters.filter(|it| it["in"] == "query" && it["name"] != "lastEventId");
        for parameter in own {
            let name = parameter["name"].as_str().unwrap();
            let begins = format!("`{name}` (");
            let said = section.split(&begins).nth(1).and_then(|rest| rest.split(')').next());
            let said =
                said.unwrap_or_else(|| panic!("docs/api.md says nothing of {name} of {}", feed.name()));
            let default = parameter["schema"].get("default");
            let default = default.map_or_else(
                || "all".to_owned(),
                |default| default.as_str().map_or_else(|| default.to_string(), str::to_owned),
            );
            let default = format!("by default {default}");
            assert!(said.contains(&default), "{name} of {}: {said:?} does not say {default}", feed.name());
        }
    });
}

#[test]
fn an_entry_has_the_fields_that_are_said() {
    each_feed(|feed, channel| {
        let section = section(feed);
        let bodies = shown(&section, "with `");
        assert!(!bodies.is_empty(), "docs/api.md shows no body for {}", feed.name());
        let keys = |entry: &Map<String, Value>| entry.keys().cloned().collect::<BTreeSet<_>>();
        let entries: Vec<_> = shown(&section, "data: ").iter().map(keys).collect();
        for body in bodies {
            let body = Value::from(body).to_string();
            let drafts = Drafts::of_json(feed, channel, body.as_bytes(), None);
            let drafts = drafts.unwrap_or_else(|e| panic!("{} of {body}: {e}", feed.name())).drafts;
            let entry = drafts[0].entry(id(42), NOW, None).body;
            let got = keys(&serde_json::from_str(&entry).unwrap());
            assert!(entries.contains(&got), "docs/api.md shows {entries:?}, and {body} becomes {entry}");
        }
    });
}
