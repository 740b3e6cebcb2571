//! The documents against each other and the code: paths, bounds, what is taken, examples.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::RangeInclusive;

use serde_json::Value;
use ssedge::access::Key;
use ssedge::feeds::chat::{Room, Text, User};
use ssedge::feeds::events::Topic;
use ssedge::feeds::stock::{self, Price, Symbol};
use ssedge::feeds::{chat, events};
use ssedge::limits;
use ssedge::log::ChannelName;
use ssedge::route::openapi as served;
use ssedge::route::{Deployment, documents, endpoints, route};
use ssedge::settings::Host;
use ssedge::sse::EventName;
use ssedge_tests::document::{Document, below, openapi, operations};
use ssedge_tests::host::root;

/// One that takes quotes.
fn deployment() -> Deployment {
    Deployment::read(Host::Worker, |name| (name == "STOCK_SOURCE").then(|| "published".to_owned())).unwrap()
}

// --- The documents as files ---

#[test]
fn the_documents_are_those_of_the_feeds() {
    let feeds = deployment().feeds;
    let read = |path: &str| {
        let text = fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        serde_json::from_str::<Value>(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
    };
    for (path, composed) in [
        (documents::OPENAPI, documents::openapi(&feeds, read)),
        (documents::ASYNCAPI, documents::asyncapi(&feeds, read)),
    ] {
        assert!(read(path) == composed, "{path} is stale: `cargo xtask openapi` writes it anew");
    }
}

// --- Paths ---

#[test]
fn openapi_describes_every_endpoint() {
    let document = openapi();
    let described: BTreeMap<_, _> = operations(&document)
        .filter(|(method, ..)| method == "GET" || method == "POST")
        .map(|(method, path, operation)| ((method, path), operation["summary"].as_str().unwrap()))
        .collect();
    let deployment = deployment();
    let routes =
        endpoints(&deployment.feeds).map(|(method, path, text)| ((method.to_string(), *path), *text));
    assert_eq!(described, routes.collect());
}

#[test]
fn openapi_has_the_methods_that_each_path_allows() {
    let document = openapi();
    let mut described = BTreeMap::<_, BTreeSet<_>>::new();
    for (method, path, _) in operations(&document) {
        described.entry(path).or_default().insert(method);
    }
    let deployment = deployment();
    for (path, methods) in described {
        let route = route(&path.replace("{room}", "a").replace("{id}", "7"), &deployment.feeds).unwrap();
        assert_eq!(methods, route.allow().split(", ").map(str::to_owned).collect(), "{path}");
    }
}

#[test]
fn each_operation_has_an_id_of_its_own() {
    let document = openapi();
    let ids = operations(&document).map(|(.., operation)| operation["operationId"].as_str().unwrap());
    let ids: Vec<_> = ids.collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
}

#[test]
fn openapi_has_the_version_of_the_crate() {
    assert_eq!(openapi()["info"]["version"], env!("CARGO_PKG_VERSION"));
}

/// Every reference in the value.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn openapi_refers_to_what_it_has_and_has_what_it_refers_to() {
    /// Every path answers so, but to methods that it does not have.
    const UNUSED: [&str; 1] = ["#/components/responses/MethodNotAllowed"];
    let document = openapi();
    let mut found = BTreeSet::from(UNUSED);
    references(&document, &mut found);
    let kinds =
        document["components"].as_object().unwrap().iter().filter(|(kind, _)| *kind != "securitySchemes");
    let had: BTreeSet<_> = kinds
        .flat_map(|(kind, of)| {
            of.as_object().unwrap().keys().map(move |name| format!("#/components/{kind}/{name}"))
        })
        .collect();
    assert!(had.len() > 60, "{had:?}");
    assert_eq!(found.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), had);
}

#[test]
fn openapi_has_the_bounds_of_the_code() {
    let document = openapi();
    let schema = |name: &str| document["components"]["schemas"][name].clone();
    let parameter = |name: &str| document["components"]["parameters"][name]["schema"].clone();
    let check = |what: &str, got: &Value, expected: String| assert_eq!(got.to_string(), expected, "{what}");
    let range = |what: &str, schema: &Value, low: String, high: String| {
        check(what, &schema["minimum"], low);
        check(what, &schema["maximum"], high);
    };
    for (name, most, default) in [
        ("eventsHistory", *events::HISTORY.end(), 0),
        ("stockHistory", stock::TICKS, 0),
        ("chatHistory", *chat::HISTORY.end(), chat::HISTORY_DEFAULT),
    ] {
        range(name, &parameter(name), "0".into(), most.to_string());
        check(name, &parameter(name)["default"], default.to_string());
    }
    let interval = limits::INTERVAL_MS;
    range("interval", &schema("Interval"), interval.start().to_string(), interval.end().to_string());
    for name in ["tick", "interval"] {
        check(name, &parameter(name)["default"], limits::INTERVAL_DEFAULT_MS.to_string());
    }
    check("topics", &parameter("topics")["maxItems"], events::TOPICS.to_string());
    check("symbols", &parameter("symbols")["maxItems"], stock::SYMBOLS.to_string());
    let (low, high) = (limits::HEARTBEAT_SECS.start(), limits::HEARTBEAT_SECS.end());
    let heartbeat = &schema("CursorData")["properties"]["heartbeat_secs"];
    range("heartbeat_secs", heartbeat, low.to_string(), high.to_string());
    let [least, most] =
        [1, stock::MAX_PRICE_CENTS].map(|cents| Price::from_cents(cents).unwrap().to_string());
    range("price", &schema("Price"), least, most);
    for (name, entries) in [("EventsSnapshot", "notifications"), ("ChatSnapshot", "messages")] {
        check(name, &schema(name)["properties"][entries]["maxItems"], limits::SNAPSHOT_ENTRIES.to_string());
    }
    for gap in [&schema("Gap"), &schema("GapData")] {
        check("gap", &gap["properties"]["requested"]["maxLength"], limits::ECHO_CHARS.to_string());
    }
    let max_age = &document["components"]["headers"]["Access-Control-Max-Age"]["schema"]["const"];
    check("preflight", max_age, limits::PREFLIGHT_SECS.to_string());
    let bodies = served::DOCUMENT.matches(&format!("At most {} bytes.", limits::BODY_BYTES)).count();
    let deployment = deployment();
    assert_eq!(bodies, endpoints(&deployment.feeds).filter(|(method, ..)| method.as_str() == "POST").count());
}

#[test]
fn both_documents_say_the_bounds_in_words() {
    let span = |range: &RangeInclusive<u64>| format!("{} to {} ms", range.start(), range.end());
    let in_both = [
        span(&limits::ROTATE_RETRY_MS),
        span(&limits::OVERLOAD_RETRY_MS),
        format!("every {} s", limits::FILTER_CURSOR.as_secs()),
    ];
    let asyncapi = fs::read_to_string(root().join("docs/asyncapi.json")).unwrap();
    for words in in_both {
        assert!(asyncapi.contains(&words), "the AsyncAPI document does not say {words:?}");
        assert!(served::DOCUMENT.contains(&words), "the OpenAPI document does not say {words:?}");
    }
    for words in [
        format!("at most {} bytes", limits::TOKEN_BYTES),
        format!("more than {} bytes", limits::BODY_BYTES),
        format!("at most {} days ahead", limits::TOKEN_DAYS),
        format!("within {} minutes", limits::IDEMPOTENCY_WINDOW.as_secs() / 60),
        format!("more than {} ticks", stock::TICKS),
        format!("up to {}", limits::ID_MAX),
    ] {
        assert!(served::DOCUMENT.contains(&words), "the OpenAPI document does not say {words:?}");
    }
}

// --- What is sent ---

/// Texts at the edge of a rule: each of these before, behind and around as many characters as the bound allows, or about.
fn texts(bound: usize) -> impl Iterator<Item = String> {
    const ENDS: [&str; 30] = [
        "", "a", "Z", "0", "_", "-", ".", " ", "\t", "\n", "\r", "\u{b}", "\0", "\u{1f}", "!", "~", "\u{7f}",
        "\u{80}", "\u{85}", "\u{9f}", "\u{a0}", "\u{1680}", "\u{200a}", "\u{200b}", "\u{2028}", "\u{3000}",
        "\u{feff}", "é", "😀", "open",
    ];
    let lengths = [0, 1, bound - 2, bound - 1, bound, bound + 1];
    let middles = lengths.map(|length| ["a", "A", "é\n", "\u{85}"].map(|c| c.repeat(length)));
    middles.into_iter().flatten().flat_map(|middle| {
        ENDS.into_iter().flat_map(move |end| {
            [format!("{end}{middle}"), format!("{middle}{end}"), format!("{end}{middle}{end}")]
        })
    })
}

#[track_caller]
fn check_texts(schema: &str, bound: usize, takes: impl Fn(&str) -> bool) {
    let mut document = Document::openapi();
    let [mut taken, mut refused] = [0, 0];
    for text in texts(bound) {
        let by_schema =
            document.validate(&below("/components/schemas", schema), &text.as_str().into()).is_ok();
        let by_code = takes(&text);
        assert_eq!(by_schema, by_code, "the schema {schema}, and the code, of {text:?}");
        *if by_code { &mut taken } else { &mut refused } += 1;
    }
    assert!(taken > 10 && refused > 10, "{schema}: {taken} taken and {refused} refused");
}

#[test]
fn a_schema_takes_the_texts_that_the_code_takes() {
    check_texts("User", chat::USER_CHARS, |text| User::new(text).is_ok());
    check_texts("Text", chat::TEXT_CHARS, |text| Text::new(text).is_ok());
    check_texts("Room", chat::ROOM_CHARS, |text| Room::new(text).is_ok());
    check_texts("Topic", events::TOPIC_CHARS, |text| Topic::new(text).is_ok());
    check_texts("EventName", limits::EVENT_NAME_CHARS, |text| EventName::published(text).is_ok());
    check_texts("Symbol", stock::MAX_SYMBOL_LEN, |text| Symbol::new(text).is_ok());
    check_texts("IdempotencyKey", limits::IDEMPOTENCY_KEY_CHARS, |text| Key::new(text.as_bytes()).is_ok());
}

#[test]
fn a_schema_takes_the_prices_that_the_code_takes() {
    let deployment = deployment();
    let (stock, channel) = (deployment.feeds.named("stock").unwrap(), ChannelName::new("stock").unwrap());
    let mut document = Document::openapi();
    let most = Price::from_cents(stock::MAX_PRICE_CENTS).unwrap().to_string();
    for price in
        ["0", "0.00", "0.009", "0.01", "1", "1.5", "189.34", &most, "10000000000000", "-1", "\"1\"", "null"]
    {
        let body = format!(r#"{{"symbol":"ACME","price":{price}}}"#);
        let by_schema =
            document.validate("/components/schemas/QuoteDraft", &serde_json::from_str(&body).unwrap());
        assert_eq!(
            by_schema.is_ok(),
            stock.draft(&channel, body.as_bytes(), None).is_ok(),
            "{body}: {by_schema:?}"
        );
    }
}

// --- Examples ---

/// Every schema with examples below the pointer, each with its examples.
fn examples(value: &Value, pointer: &str, found: &mut Vec<(String, Vec<Value>)>) {
    let Value::Object(fields) = value else {
        for (nth, item) in value.as_array().into_iter().flatten().enumerate() {
            examples(item, &below(pointer, &nth.to_string()), found);
        }
        return;
    };
    if let Some(Value::Array(examples)) = fields.get("examples") {
        found.push((pointer.to_owned(), examples.clone()));
    }
    if let (Some(example), Some(_)) = (fields.get("example"), fields.get("schema")) {
        found.push((below(pointer, "schema"), vec![example.clone()]));
    }
    fields.iter().for_each(|(key, value)| examples(value, &below(pointer, key), found));
}

#[test]
fn every_example_is_by_its_schema() {
    let mut document = Document::closed_openapi();
    let mut found = Vec::new();
    examples(&openapi(), "", &mut found);
    assert!(found.len() > 40, "{found:?}");
    for (schema, examples) in found {
        for example in examples {
            document.check("an example", &schema, &example);
        }
    }
}
