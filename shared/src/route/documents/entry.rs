//! What follows from the schema of an entry, for a feed whose streams consist of entries alone.

use serde_json::{Value, json};

use super::{OPENAPI, reference, text};
use crate::feeds::Feed;

/// What the cursor of a snapshot is.
const CURSOR: &str = "A stream that is opened with `lastEventId` of this goes on exactly here. `0` is the beginning of a channel that is empty.";

/// What follows from the schema of an entry, for a feed whose streams consist of entries alone: the schemas of its stream and
/// its snapshot, and the answers to a GET and to a POST, with its example.
pub(super) fn of_entry(feed: &dyn Feed, entry: &Value) -> Value {
    if entry.is_null() {
        return json!({});
    }
    let (name, schema, list) = (text(&entry["name"]), text(&entry["schema"]), feed.list());
    let of = |name: &str| reference("components/schemas", name);
    let message = format!("{name}Message");
    let events = [&*message, "CursorEvent", "GapEvent", "ExpiredEvent"].map(of);
    let (line, example) = (text(&entry["line"]), example_of(entry));
    let blocks = format!(
        "retry: 2310\nevent: cursor\nid: 41\ndata: {{\"cursor\":\"41\",\"heartbeat_secs\":15}}\n\nid: 42\ndata: {line}\n\n"
    );
    let answer = |what: &str, headers: &str, more: &str| {
        let mut answer = json!({
            "description": what,
            "headers": format!("{more}{headers}"),
            "content": { "application/json": { "schema": of(schema), "example": example } },
        });
        if entry["links"].is_object() {
            answer["links"] = entry["links"].clone();
        }
        answer
    };
    let is_located = entry["links"].is_object();
    let replayed = "The same post came before, with the same `Idempotency-Key`: this is what it stored.";
    json!({
        "schemas": {
            format!("{name}Event"): {
                "description": "As `EventsEvent`.",
                "oneOf": events,
            },
            message: {
                "description": entry["message"],
                "type": "object",
                "required": ["id", "data"],
                "properties": {
                    "event": { "const": "message", "default": "message" },
                    "id": of("Id"),
                    "data": { "type": "string", "contentMediaType": "application/json", "contentSchema": of(schema) },
                },
            },
            format!("{name}Snapshot"): {
                "type": "object",
                "required": [list, "cursor"],
                "properties": {
                    list: { "type": "array", "items": of(schema), "maxItems": crate::limits::SNAPSHOT_ENTRIES },
                    "cursor": { "$ref": "#/components/schemas/Id", "description": CURSOR },
                    "more": { "const": true, "description": "There is more after the cursor." },
                    "gap": of("Gap"),
                },
            },
        },
        "responses": {
            name: {
                "description": entry["stream"],
                "headers": "stream",
                "content": {
                    "text/event-stream": {
                        "itemSchema": of(&format!("{name}Event")),
                        "examples": { "stream": { "summary": "how a stream begins", "serializedValue": blocks } },
                    },
                    "application/json": {
                        "schema": of(&format!("{name}Snapshot")),
                        "example": { list: [example], "cursor": "42" },
                    },
                },
            },
            format!("{schema}Stored"): answer(text(&entry["stored"]), if is_located { "located" } else { "stored" }, ""),
            format!("{schema}Replayed"): answer(replayed, "replayed", if is_located { "located-" } else { "" }),
        },
    })
}

/// The example of an entry, which the feed gives as the line that readers get.
fn example_of(entry: &Value) -> Value {
    serde_json::from_str(text(&entry["line"])).unwrap_or_default()
}

/// The message of a feed whose streams consist of entries alone.
pub(super) fn message_of(entry: &Value) -> Value {
    let schema = text(&entry["schema"]);
    let of = |name: &str| json!({ "$ref": format!("../{OPENAPI}#/components/schemas/{name}") });
    let name = schema.to_lowercase();
    json!({ name.clone(): {
        "name": name,
        "title": schema,
        "summary": entry["message"],
        "headers": { "type": "object", "required": ["id"], "properties": { "id": of("Id") } },
        "payload": of(schema),
        "examples": [{ "headers": { "id": "42" }, "payload": example_of(entry) }],
    } })
}
