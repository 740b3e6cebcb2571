//! The OpenAPI and the AsyncAPI document, composed of a base and of what each feed says of itself.
//!
//! A feed's folder has `openapi.json` and `asyncapi.json`. They say what is its own: its parameters, schemas and examples. What
//! every channel has in common is added here: HEAD and OPTIONS, the refusals, the cursor, the key of a post, and who may ask.
//! No host calls this: what is served is the composed file.

mod entry;

use serde_json::{Map, Value, json};

use self::entry::{message_of, of_entry};
use crate::feeds::{Endpoint, Feed, Feeds};

/// The files that are composed, from the root of the repository.
pub const OPENAPI: &str = "shared/src/openapi.json";
/// The streams as AsyncAPI.
pub const ASYNCAPI: &str = "docs/asyncapi.json";

const OPENAPI_BASE: &str = "shared/src/route/openapi-base.json";
const ASYNCAPI_BASE: &str = "shared/src/route/asyncapi-base.json";

/// What the base says of headers: the sets that a feed's answers name.
const HEADER_SETS: &str = "x-header-sets";

/// The messages that every stream has.
const COMMON_MESSAGES: [&str; 4] = ["cursor", "gap", "expired", "retry"];
/// The parameters of every stream.
const COMMON_PARAMETERS: [&str; 2] = ["lastEventId", "Last-Event-ID"];
/// What every GET of a channel may answer beside its 200.
const READ: [(&str, &str); 6] = [
    ("400", "Invalid"),
    ("401", "Unauthorized"),
    ("403", "Forbidden"),
    ("406", "NotAcceptable"),
    ("500", "Failed"),
    ("503", "Unavailable"),
];
/// What every POST of a channel may answer beside its 200 and 201.
const POSTED: [(&str, &str); 9] = [
    ("400", "Invalid"),
    ("401", "Unauthorized"),
    ("403", "Forbidden"),
    ("413", "TooLarge"),
    ("415", "UnsupportedMediaType"),
    ("422", "OtherBody"),
    ("429", "TooMany"),
    ("500", "Failed"),
    ("503", "Unavailable"),
];
/// What every DELETE of a channel may answer.
const DELETED: [(&str, &str); 6] = [
    ("204", "Deleted"),
    ("400", "Invalid"),
    ("401", "Unauthorized"),
    ("403", "Forbidden"),
    ("500", "Failed"),
    ("503", "Unavailable"),
];
/// What every OPTIONS answers.
const PREFLIGHT: [(&str, &str); 3] = [("200", "PreflightOnLambda"), ("204", "Preflight"), ("500", "Failed")];

/// Composes the OpenAPI document. `read` answers a file of the repository, as JSON.
pub fn openapi(feeds: &Feeds, mut read: impl FnMut(&str) -> Value) -> Value {
    let mut document = read(OPENAPI_BASE);
    let sets = take(&mut document, HEADER_SETS);
    let (mut tags, mut paths) = (Vec::new(), Map::new());
    for feed in feeds.iter() {
        let own = read(&file(feed, "openapi"));
        tags.push(json!({ "name": feed.name(), "description": own["description"] }));
        for (path, item) in fields(&own["paths"]) {
            paths.insert(path.clone(), path_item(feed, path, item, &own["entry"]));
        }
        for (kind, components) in fields(&own["components"]).chain(fields(&of_entry(feed, &own["entry"]))) {
            for (name, component) in fields(components) {
                let mut component = component.clone();
                if let Some(set) = component["headers"].as_str().map(str::to_owned) {
                    component["headers"] = sets[set].clone();
                }
                document["components"][kind][name] = component;
            }
        }
    }
    tags.extend(take(&mut document, "tags").as_array().into_iter().flatten().cloned());
    paths.extend(fields(&take(&mut document, "paths")).map(|(path, item)| (path.clone(), item.clone())));
    document["tags"] = tags.into();
    document["paths"] = paths.into();
    document
}

/// One path of a feed. `whole` is a path as it is; any other is a channel.
fn path_item(feed: &dyn Feed, path: &str, item: &Value, entry: &Value) -> Value {
    if !item["whole"].is_null() {
        return item["whole"].clone();
    }
    let (get, post, id) = (&item["get"], &item["post"], text(&item["id"]));
    let own_answers = |of: &Value| {
        let answers = fields(&of["responses"]).map(|(status, answer)| (status.clone(), answer.clone()));
        answers.collect::<Vec<_>>()
    };
    let summary = |method: &str| {
        let is_it = |endpoint: &&Endpoint| endpoint.0.as_str() == method && endpoint.1 == path;
        feed.endpoints().iter().find(is_it).map_or("", |(.., summary)| *summary)
    };
    let grant = text(&get["grant"]);
    let more = get["description"].as_str().map(|more| format!(" {more}")).unwrap_or_default();
    let own = get["parameters"].as_array().into_iter().flatten().cloned();
    let common = COMMON_PARAMETERS.iter().map(|name| reference("components/parameters", name));
    let parameters: Vec<_> = own.chain(common).collect();
    let operation =
        |id: String, summary: &str| json!({ "tags": [feed.name()], "operationId": id, "summary": summary });

    let mut reads = operation(format!("follow{id}"), summary("GET"));
    reads["description"] = format!("{grant}{more}").into();
    reads["security"] = security(true);
    reads["parameters"] = parameters.clone().into();
    let stream = match get["200"].is_null() {
        true => reference("components/responses", text(&entry["name"])),
        false => get["200"].clone(),
    };
    reads["responses"] = responses(&READ, own_answers(get).into_iter().chain([("200".to_owned(), stream)]));

    let mut heads =
        operation(format!("head{id}"), &format!("where a stream of {} would start", text(&get["of"])));
    heads["description"] = grant.into();
    heads["security"] = security(true);
    heads["parameters"] = parameters.into();
    let head = ("200".to_owned(), reference("components/responses", "FeedHead"));
    heads["responses"] = responses(&READ, [head].into_iter().chain(own_answers(&item["head"])));

    let mut posts = operation(text(&post["id"]).to_owned(), summary("POST"));
    posts["description"] = post["description"].clone();
    posts["security"] = security(feed.is_open_to_anonymous());
    let key = reference("components/parameters", "Idempotency-Key");
    posts["parameters"] =
        post["parameters"].as_array().into_iter().flatten().cloned().chain([key]).collect::<Vec<_>>().into();
    posts["requestBody"] = json!({
        // A post that only ends a channel has no body.
        "required": !feed.has_ends(),
        "description": format!("At most {} bytes.", feed.body_bytes()),
        "content": match post["content"].is_null() {
            true => json!({ "application/json": post["body"] }),
            false => post["content"].clone(),
        },
    });
    let stored = [("200", "Replayed"), ("201", "Stored")].into_iter().filter(|_| !entry.is_null());
    let stored = stored.map(|(status, what)| {
        let name = format!("{}{what}", text(&entry["schema"]));
        (status.to_owned(), reference("components/responses", &name))
    });
    posts["responses"] = responses(&POSTED, stored.chain(own_answers(post)));

    let mut options = operation(format!("preflight{id}"), "preflight");
    options["security"] = json!([]);
    options["responses"] = responses(&PREFLIGHT, []);
    if item["preflight"].is_array() {
        options["parameters"] = item["preflight"].clone();
    }

    let mut whole = json!({ "get": reads, "head": heads, "post": posts, "options": options });
    if feed.has_ends() {
        let delete = &item["delete"];
        let mut deletes = operation(text(&delete["id"]).to_owned(), summary("DELETE"));
        deletes["description"] = delete["description"].clone();
        deletes["security"] = security(false);
        deletes["responses"] = responses(&DELETED, []);
        whole["delete"] = deletes;
    }
    if item["parameters"].is_array() {
        whole["parameters"] = item["parameters"].clone();
    }
    whole
}

/// Composes the AsyncAPI document. `read` answers a file of the repository, as JSON.
pub fn asyncapi(feeds: &Feeds, mut read: impl FnMut(&str) -> Value) -> Value {
    let mut document = read(ASYNCAPI_BASE);
    for feed in feeds.iter() {
        let (name, own) = (feed.name(), read(&file(feed, "asyncapi")));
        let entry = read(&file(feed, "openapi"))["entry"].clone();
        let own_messages = if entry.is_null() { own["messages"].clone() } else { message_of(&entry) };
        let said: Vec<_> = fields(&own_messages).map(|(message, _)| message.as_str()).collect();
        let messages = || said.iter().copied().chain(COMMON_MESSAGES);
        let mut channel = own["channel"].clone();
        channel["messages"] = messages()
            .map(|message| (message.to_owned(), reference("components/messages", message)))
            .collect::<Map<_, _>>()
            .into();
        document["channels"][name] = channel;
        let mut query = own["operation"]["query"].clone();
        query["lastEventId"] =
            json!({ "$ref": format!("../{OPENAPI}#/components/parameters/lastEventId/schema") });
        let schemes = ["bearer", "cookie", "query"];
        let operation = json!({
            "action": "send",
            "channel": reference("channels", name),
            "summary": own["operation"]["summary"],
            "messages": messages()
                .map(|message| reference(&format!("channels/{name}/messages"), message))
                .collect::<Vec<_>>(),
            "security": schemes.map(|scheme| reference("components/securitySchemes", scheme)),
            "bindings": { "http": {
                "method": "GET",
                "query": { "type": "object", "properties": query },
                "bindingVersion": "0.3.0",
            } },
        });
        document["operations"][text(&own["operation"]["id"])] = operation;
        for (message, description) in fields(&own_messages) {
            document["components"]["messages"][message] = description.clone();
        }
    }
    document
}

fn file(feed: &dyn Feed, document: &str) -> String {
    format!("shared/src/feeds/{}/{document}.json", feed.name())
}

fn fields(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn take(document: &mut Value, field: &str) -> Value {
    document.as_object_mut().and_then(|fields| fields.remove(field)).unwrap_or_default()
}

fn reference(place: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/{place}/{name}") })
}

/// The ways to bring a token, and none if a caller may come without.
fn security(is_open: bool) -> Value {
    let schemes = ["bearer", "cookie", "query"].map(|scheme| json!({ scheme: [] }));
    is_open.then(|| json!({})).into_iter().chain(schemes).collect::<Vec<_>>().into()
}

fn responses(common: &[(&str, &str)], own: impl IntoIterator<Item = (String, Value)>) -> Value {
    let of = |name: &str| reference("components/responses", name);
    let common = common.iter().map(|(status, name)| ((*status).to_owned(), of(name)));
    common.chain(own).collect::<Map<_, _>>().into()
}
