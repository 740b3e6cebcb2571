//! The OpenAPI document that the hosts serve, and the AsyncAPI document beside it, as tests read them.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test fails by a panic, and so may its helpers"
)]

use std::fs;

use boon::{Compiler, Draft, Schemas};
use serde_json::Value;
use ssedge::route::openapi;
use ssedge::sse::Message;

use crate::host::root;

/// Where the documents are to each other.
const OPENAPI: &str = "http://ssedge/shared/src/openapi.json";
const ASYNCAPI: &str = "http://ssedge/docs/asyncapi.json";
/// How the one document refers to the other.
const SHARED: &str = "../shared/src/openapi.json";
/// What a path of the OpenAPI document may have.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// A document, and the schemas that it has or shares.
pub struct Document {
    value: Value,
    shared: Value,
    schemas: Schemas,
    compiler: Compiler,
    url: &'static str,
}

impl Document {
    /// The OpenAPI document, for what is sent to a host.
    #[must_use]
    pub fn openapi() -> Self {
        Self::new(openapi(), openapi(), OPENAPI)
    }

    /// The OpenAPI document, for what a host answers: nothing may have a field that its schema does not name.
    #[must_use]
    pub fn closed_openapi() -> Self {
        Self::new(closed(openapi()), closed(openapi()), OPENAPI)
    }

    /// The AsyncAPI document, as [`Self::closed_openapi`].
    #[must_use]
    pub fn closed_asyncapi() -> Self {
        let path = root().join("docs/asyncapi.json");
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self::new(closed(serde_json::from_str(&text).unwrap()), closed(openapi()), ASYNCAPI)
    }

    fn new(value: Value, shared: Value, url: &'static str) -> Self {
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.enable_format_assertions();
        compiler.add_resource(OPENAPI, shared.clone()).unwrap();
        if url != OPENAPI {
            compiler.add_resource(url, value.clone()).unwrap();
        }
        Self { value, shared, schemas: Schemas::new(), compiler, url }
    }

    /// What stands at the pointer, and its own place: a reference leads on.
    #[must_use]
    pub fn at(&self, pointer: &str) -> (&Value, String) {
        self.follow(self.url, pointer)
    }

    fn follow(&self, url: &str, pointer: &str) -> (&Value, String) {
        let document = if url == self.url { &self.value } else { &self.shared };
        let value = document.pointer(pointer).unwrap_or_else(|| panic!("{url}#{pointer} leads nowhere"));
        match value.get("$ref").and_then(Value::as_str).and_then(|reference| reference.split_once('#')) {
            // A reference with something beside it is a schema of its own.
            Some((file, pointer)) if value.as_object().is_some_and(|fields| fields.len() == 1) => {
                self.follow(if file == SHARED { OPENAPI } else { url }, pointer)
            }
            _ => (value, format!("{url}#{pointer}")),
        }
    }

    /// Whether the schema at this pointer takes the value, or why not.
    ///
    /// # Errors
    /// What the schema says against it.
    pub fn validate(&mut self, pointer: &str, value: &Value) -> Result<(), String> {
        let (_, place) = self.at(pointer);
        let schema =
            self.compiler.compile(&place, &mut self.schemas).unwrap_or_else(|e| panic!("{place}: {e}"));
        self.schemas.validate(value, schema).map_err(|e| format!("{e:#}"))
    }

    /// Sees that the value is what the schema at this pointer says.
    #[track_caller]
    pub fn check(&mut self, what: &str, pointer: &str, value: &Value) {
        if let Err(why) = self.validate(pointer, value) {
            panic!("{what}: {value} is not by {pointer}: {why}");
        }
    }

    /// Sees that the event is of one of the kinds that this schema of the OpenAPI document lists, and of one only.
    #[track_caller]
    pub fn check_event(&mut self, list: &str, event: &Message) {
        let name = Value::from(event.event.as_str());
        let (list, _) = self.at(&format!("/components/schemas/{list}"));
        let kinds = list["oneOf"].as_array().unwrap().iter().map(|kind| kind["$ref"].as_str().unwrap());
        let kinds: Vec<_> = kinds.map(|kind| kind.trim_start_matches('#').to_owned()).collect();
        let is_named = |kind: &&String| self.validate(&format!("{kind}/properties/event"), &name).is_ok();
        let kinds: Vec<_> = kinds.iter().filter(is_named).collect();
        let [kind] = kinds[..] else { panic!("{event:?} is of the kinds {kinds:?}") };
        let is_required = self.at(kind).0["required"].as_array().unwrap().contains(&"id".into());
        if is_required || !event.last_event_id.is_empty() {
            let id = event.last_event_id.as_str().into();
            self.check(&format!("the id of {event:?}"), &format!("{kind}/properties/id"), &id);
        }
        let data = format!("{kind}/properties/data");
        if self.at(&data).0.get("contentSchema").is_some() {
            let json = serde_json::from_str(&event.data).unwrap_or_else(|e| panic!("{event:?}: {e}"));
            self.check("the data of an event", &format!("{data}/contentSchema"), &json);
        } else {
            self.check("the data of an event", &data, &event.data.as_str().into());
        }
    }
}

/// The OpenAPI document.
#[must_use]
pub fn openapi() -> Value {
    serde_json::from_str(openapi::DOCUMENT).unwrap()
}

/// Each operation of a path: its method in upper case, the path, and what it is.
pub fn operations(document: &Value) -> impl Iterator<Item = (String, &str, &Value)> {
    document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter().filter(|(key, _)| METHODS.contains(&&***key));
        methods.map(move |(method, operation)| (method.to_uppercase(), path.as_str(), operation))
    })
}

/// The pointer to what stands under this key.
#[must_use]
pub fn below(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The same schemas, but of objects that have no field that is not named.
fn closed(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.values_mut().for_each(|value| *value = closed(value.take()));
            if fields.get("properties").is_some_and(Value::is_object) {
                fields.insert("unevaluatedProperties".into(), false.into());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = closed(item.take())),
        _ => {}
    }
    value
}

/// A path with something in place of each name that it has a place for: something that anybody may read.
#[must_use]
pub fn filled(path: &str) -> String {
    let part = |part| match part {
        "{id}" => "42",
        // It may have several segments.
        "{name}" => "public/lobby",
        part if str::starts_with(part, "{") => "lobby",
        part => part,
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Texts at the edge of a rule: each of these before, behind and around as many characters as the bound allows, or about.
pub fn texts(bound: usize) -> impl Iterator<Item = String> {
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

/// Sees that a schema takes the same texts as the code, where the code counts up to the bound.
#[track_caller]
pub fn check_texts(schema: &str, bound: usize, takes: impl Fn(&str) -> bool) {
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
