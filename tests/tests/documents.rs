//! The documents against each other and the code: paths, bounds, what is taken, examples.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::RangeInclusive;

use http::HeaderMap;
use serde_json::Value;
use ssedge::access::Key;
use ssedge::feeds::{Drafts, Feed, Posted, Query};
use ssedge::limits;
use ssedge::route::openapi as served;
use ssedge::route::{Deployment, documents, endpoints, route};
use ssedge::settings::Host;
use ssedge::sse::EventName;
use ssedge_tests::document::{Document, below, check_texts, filled, openapi, operations, texts};
use ssedge_tests::host::root;

/// One that takes posts to every feed.
fn deployment() -> Deployment {
    let read = |vars: &[(&str, &str)]| {
        let lookup =
            |name: &str| vars.iter().find(|(var, _)| *var == name).map(|(_, value)| (*value).to_owned());
        Deployment::read(Host::Worker, lookup).unwrap()
    };
    let settings: Vec<_> = read(&[]).feeds.for_posts().collect();
    read(&settings)
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
        .filter(|(method, ..)| method != "HEAD" && method != "OPTIONS")
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
        let route = route(&filled(path), &deployment.feeds).unwrap();
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
    let check = |what: &str, got: &Value, expected: String| assert_eq!(got.to_string(), expected, "{what}");
    let range = |what: &str, schema: &Value, low: String, high: String| {
        check(what, &schema["minimum"], low);
        check(what, &schema["maximum"], high);
    };
    let interval = limits::INTERVAL_MS;
    range("interval", &schema("Interval"), interval.start().to_string(), interval.end().to_string());
    let (low, high) = (limits::HEARTBEAT_SECS.start(), limits::HEARTBEAT_SECS.end());
    let heartbeat = &schema("CursorData")["properties"]["heartbeat_secs"];
    range("heartbeat_secs", heartbeat, low.to_string(), high.to_string());
    for gap in [&schema("Gap"), &schema("GapData")] {
        check("gap", &gap["properties"]["requested"]["maxLength"], limits::ECHO_CHARS.to_string());
    }
    let max_age = &document["components"]["headers"]["Access-Control-Max-Age"]["schema"]["const"];
    check("preflight", max_age, limits::PREFLIGHT_SECS.to_string());
    let mut bodies = BTreeMap::<_, usize>::new();
    for feed in deployment().feeds.iter() {
        let posts = feed.endpoints().iter().filter(|(method, ..)| method.as_str() == "POST").count();
        *bodies.entry(format!("\"At most {} bytes.\"", feed.body_bytes())).or_default() += posts;
    }
    for (words, posts) in bodies {
        assert_eq!(served::DOCUMENT.matches(&words).count(), posts, "bodies of {words}");
    }
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
        format!("up to {}", limits::ID_MAX),
    ] {
        assert!(served::DOCUMENT.contains(&words), "the OpenAPI document does not say {words:?}");
    }
}

// --- What is sent ---

#[test]
fn a_schema_takes_the_texts_that_the_code_takes() {
    check_texts("EventName", limits::EVENT_NAME_CHARS, |text| EventName::published(text).is_ok());
    check_texts("IdempotencyKey", limits::IDEMPOTENCY_KEY_CHARS, |text| Key::new(text.as_bytes()).is_ok());
}

/// A schema with what it refers to in place of the reference.
fn resolved(document: &Value, schema: &Value) -> Value {
    let mut whole = schema.clone();
    if let Some(place) = schema["$ref"].as_str() {
        whole = resolved(document, document.pointer(&place[1..]).unwrap());
        let beside = schema.as_object().unwrap().iter().filter(|(key, _)| *key != "$ref");
        whole.as_object_mut().unwrap().extend(beside.map(|(key, value)| (key.clone(), value.clone())));
    }
    whole
}

/// A value of a parameter at the edges of its schema: as text, and as the schema sees it.
fn edges(document: &Value, schema: &Value) -> Vec<(String, Value)> {
    let schema = resolved(document, schema);
    let mut edges: Vec<(String, Value)> = vec![("x y".into(), "x y".into()), (String::new(), "".into())];
    for choice in schema["anyOf"].as_array().into_iter().flatten() {
        edges.extend(self::edges(document, choice));
    }
    edges.extend(schema["const"].as_str().map(|word| (word.to_owned(), word.into())));
    let words = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    edges.extend(words.map(|word| (word.to_owned(), word.into())));
    let patterned = schema["pattern"].as_str().and(schema["examples"][0].as_str());
    edges.extend(patterned.map(|text| (text.to_owned(), text.into())));
    for bound in ["minimum", "maximum"] {
        let numbers = schema[bound].as_i64().map(|bound| [bound - 1, bound, bound + 1]);
        edges.extend(numbers.into_iter().flatten().map(|n| (n.to_string(), n.into())));
    }
    if schema["type"] == "array" {
        let item = resolved(document, &schema["items"]);
        let item = item["examples"][0].as_str().unwrap_or_else(|| panic!("{item} has no example"));
        let too_many = usize::try_from(schema["maxItems"].as_u64().unwrap()).unwrap() + 1;
        let list = |n: usize| (vec![item; n].join(","), vec![item; n].into());
        edges = vec![list(1), list(too_many), (String::new(), vec![""].into())];
    }
    edges
}

/// The parameters of a query that are a feed's own: where each stands in the document, and what stands there.
fn parameters(document: &Value, feed: &dyn Feed, method: &str) -> Vec<(String, Value)> {
    let (_, path, _) = feed.endpoints().first().unwrap();
    let parameters = document["paths"][path][method]["parameters"].as_array().unwrap().iter();
    let places = parameters.map(|it| it["$ref"].as_str().unwrap().trim_start_matches('#').to_owned());
    let parameters = places.map(|place| (place.clone(), document.pointer(&place).unwrap().clone()));
    parameters.filter(|(_, it)| it["in"] == "query" && it["name"] != "lastEventId").collect()
}

#[test]
fn a_parameter_has_the_bounds_of_the_code() {
    let (openapi, deployment) = (openapi(), deployment());
    for (feed, channel) in deployment.feeds.channels("a") {
        let reading = |query: &Query| feed.reading(query).map(|reading| format!("{reading:?}")).ok();
        assert!(check_parameters(&openapi, feed, "get", reading) > 0, "{}", feed.name());
        let (_, path, _) = feed.endpoints().iter().rfind(|(method, ..)| method.as_str() == "POST").unwrap();
        let body = openapi["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"]
            .to_string();
        let posted = |query: &Query| {
            let (headers, body, keep_most) =
                (HeaderMap::new(), body.as_bytes(), deployment.settings.retention.age);
            let posted = Posted {
                media_type: Some("application/json"),
                query,
                headers: &headers,
                body,
                sub: None,
                keep_most,
            };
            feed.post(&channel, &posted).map(|drafts| format!("{drafts:?}")).ok()
        };
        check_parameters(&openapi, feed, "post", posted);
    }
}

/// Sees that the code, which answers what it made of a query, takes of each parameter what its schema takes. How many values
/// were tried; some are taken and some are refused.
fn check_parameters(
    openapi: &Value,
    feed: &dyn Feed,
    method: &str,
    read: impl Fn(&Query) -> Option<String>,
) -> usize {
    let mut document = Document::openapi();
    let [mut taken, mut refused] = [0, 0];
    for (place, parameter) in parameters(openapi, feed, method) {
        let name = parameter["name"].as_str().unwrap();
        let read = |query: &str| read(&Query::new(Some(query)));
        for (text, value) in edges(openapi, &parameter["schema"]) {
            let by_schema = document.validate(&below(&place, "schema"), &value).is_ok();
            let by_code = read(&format!("{name}={text}")).is_some();
            let what = format!("{name} of {}: the schema, and the code, of {text:.60}", feed.name());
            assert_eq!(by_schema, by_code, "{what}");
            *if by_code { &mut taken } else { &mut refused } += 1;
        }
        if let Some(default) = parameter["schema"].get("default") {
            let default = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
            let [default, nothing] =
                [format!("{name}={default}"), String::new()].map(|query| read(&query).unwrap());
            assert_eq!(default, nothing, "the default of {name} of {}", feed.name());
        }
    }
    assert_eq!(taken > 0, refused > 0, "{}: {taken} taken and {refused} refused", feed.name());
    taken
}

/// The numbers that a pattern counts up to.
fn counts(pattern: &str) -> impl Iterator<Item = usize> {
    let ends = pattern.split('{').skip(1).filter_map(|rest| rest.split(['}', ',']).nth(1)?.parse().ok());
    ends.filter(|bound| *bound > 2)
}

/// Values of a field of a body, most of them at the edges of its schema.
fn values(whole: &Value) -> Vec<Value> {
    // Around a trimmed text there are two characters more than the pattern counts.
    let bounds = whole["pattern"].as_str().into_iter().flat_map(counts).flat_map(|bound| [bound, bound + 2]);
    let ends = ["minimum", "maximum"].into_iter().filter_map(|bound| whole[bound].as_f64());
    let numbers = ends.flat_map(|end| [end - 1.0, end, end + 1.0]).chain([0.0, 0.009, 1.0, 1.5]);
    let others = [Value::Null, true.into(), vec![1].into()];
    bounds.flat_map(texts).map(Value::from).chain(numbers.map(Value::from)).chain(others).collect()
}

/// A feed may be stricter than its schema, which does not know the settings.
#[test]
fn what_a_feed_takes_is_by_its_schema() {
    let (openapi, mut document, deployment) = (openapi(), Document::openapi(), deployment());
    for (feed, channel) in deployment.feeds.channels("a") {
        let (_, path, _) = feed.endpoints().iter().rfind(|(method, ..)| method.as_str() == "POST").unwrap();
        let content = &openapi["paths"][path]["post"]["requestBody"]["content"]["application/json"];
        let (example, place) = (&content["example"], content["schema"]["$ref"].as_str().unwrap());
        let schema = openapi.pointer(&place[1..]).unwrap();
        let [mut taken, mut refused] = [0, 0];
        // A feed may take any JSON.
        let is_any = !schema["properties"].is_object();
        for body in values(schema).iter().filter(|_| is_any) {
            let taken = Drafts::of_json(feed, &channel, body.to_string().as_bytes(), None);
            assert!(taken.is_ok() && document.validate(&place[1..], body).is_ok(), "{}: {body}", feed.name());
        }
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let field = resolved(&openapi, field);
            let field =
                if field["anyOf"].is_array() { resolved(&openapi, &field["anyOf"][0]) } else { field };
            for value in values(&field) {
                let mut body = example.clone();
                body[name] = value;
                let by_schema = document.validate(&place[1..], &body);
                let by_code = Drafts::of_json(feed, &channel, body.to_string().as_bytes(), None).is_ok();
                assert!(!by_code || by_schema.is_ok(), "{} takes {body}, but {by_schema:?}", feed.name());
                *if by_code { &mut taken } else { &mut refused } += 1;
            }
        }
        assert!(is_any || taken > 0 && refused > 0, "{}: {taken} taken and {refused} refused", feed.name());
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
