//! The OpenAPI document against the answers of the core: each answer that it describes is brought about, and is as it
//! says.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use jwt_compact::alg::{Hs256, Hs256Key};
use jwt_compact::{AlgorithmExt, Claims};
use serde_json::{Value, json};
use ssedge::access::{Action, Forbidden, InvalidToken};
use ssedge::feeds::{Drafts, Feed};
use ssedge::limits::BODY_BYTES;
use ssedge::log::{EndReason, Gap, GapReason, Page, Requested, Snapshot, Standing, Start};
use ssedge::problem::Problem;
use ssedge::route::{Deployment, Peer, Plan, deleted, finish, head, head_of_stream, plan, refused};
use ssedge::session::{Input, Session};
use ssedge::settings::Host;
use ssedge::store::{Post, Receipt, Stored};
use ssedge_tests::document::{Document, below, filled, openapi, operations};
use ssedge_tests::stream::{NOW, id};

const SECRET: &str = "the secret of this test, and no other";
const JSON: (&str, &str) = ("content-type", "application/json");
/// Everything that is tried on every operation: mostly the status that it gets somewhere.
const CAUSES: [&str; 20] = [
    "200",
    "201",
    "204",
    "400",
    "401",
    "403",
    "404",
    "406",
    "409",
    "410",
    "412",
    "413",
    "415",
    "422",
    "429",
    "500",
    "503",
    "200 on Lambda",
    "204 on Lambda",
    "410 by a gap",
];
/// The answers that a host gives without asking the core.
const PAGE: [(&str, &str); 2] = [("GET", "/"), ("HEAD", "/")];

/// A request, the deployment that it comes to, and what happens there.
struct Asked {
    method: String,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    vars: Vec<(&'static str, &'static str)>,
    host: Host,
    fate: Fate,
}

/// What becomes of what the core asks a host for.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    /// It is there, or is stored.
    Done,
    /// It is not there.
    Absent,
    /// It was stored before.
    Replayed,
    /// Its key was used for something else.
    KeyReused,
    /// It came too soon.
    TooFast,
    /// The channel has ended, and the reader has all of it.
    Ended,
    /// The cursor cannot be resumed.
    Gap,
    /// What must hold does not.
    Unmet,
    /// The storage is away.
    Away,
}

fn gap() -> Gap {
    Gap { reason: GapReason::Expired, requested: Requested::new("7") }
}

/// The settings with which something can be posted to every feed.
fn for_posts() -> impl Iterator<Item = (&'static str, &'static str)> {
    let deployment = Deployment::read(Host::Worker, |_| None).unwrap();
    deployment.feeds.for_posts().collect::<Vec<_>>().into_iter()
}

/// The body that the document shows for a feed.
fn example_of(feed: &dyn Feed) -> Value {
    let (_, path, _) = feed.endpoints().iter().find(|(method, ..)| method.as_str() == "POST").unwrap();
    shown(&openapi()["paths"][path]["post"]).clone()
}

impl Asked {
    /// A request that succeeds: with a token that may do everything, and the body that the document shows.
    fn new(method: &str, path: &str, example: &Value) -> Self {
        let claims = json!({ "exp": NOW.0 / 1_000 + 60, "subscribe": ["*"], "publish": ["*"] });
        let token = Hs256.token(
            &jwt_compact::Header::empty(),
            &Claims::new(claims),
            &Hs256Key::new(SECRET.as_bytes()),
        );
        Self {
            method: method.to_owned(),
            target: filled(path),
            headers: vec![
                ("authorization", format!("Bearer {}", token.unwrap())),
                (JSON.0, JSON.1.to_owned()),
            ],
            body: example.to_string().into_bytes(),
            vars: [("AUTH_SECRET", SECRET)].into_iter().chain(for_posts()).collect(),
            host: Host::Worker,
            fate: Fate::Done,
        }
    }

    /// The same, but such that it gets this status, if a request of its kind can.
    fn provoking(mut self, status: &str) -> Self {
        let is_post = self.method == "POST";
        match status {
            "200" => self.fate = Fate::Replayed,
            "200 on Lambda" => (self.host, self.fate) = (Host::Lambda, Fate::Replayed),
            "201" => {}
            "204" => self.fate = Fate::Ended,
            "204 on Lambda" | "410" => (self.host, self.fate) = (Host::Lambda, Fate::Ended),
            "410 by a gap" => {
                self.target.push_str("?events=bare");
                self.fate = Fate::Gap;
            }
            "400" if is_post => self.body = b"{".into(),
            // Given twice, each reader could take another one.
            "400" => self.target.push_str("?access_token=x&access_token=x"),
            "401" => self.headers[0].1 = "Bearer x".into(),
            "403" => {
                self.headers.remove(0);
                self.vars.push(("ANONYMOUS", ""));
            }
            "404" if self.method == "OPTIONS" => self.target = self.target.replace("42", "x"),
            "404" => self.fate = Fate::Absent,
            "406" => self.headers.push(("accept", "text/html".into())),
            // What a feed does by default.
            "409" => {
                self.vars.truncate(1);
                self.fate = Fate::Ended;
            }
            "412" => {
                self.headers.push(("if-match", "\"41\"".into()));
                self.fate = Fate::Unmet;
            }
            "413" => self.body = vec![b' '; 70_000],
            "415" => JSON.0.clone_into(&mut self.headers[1].1),
            "422" => self.fate = Fate::KeyReused,
            "429" => self.fate = Fate::TooFast,
            "500" => self.vars.push(("HEARTBEAT_SECS", "0")),
            "503" => self.fate = Fate::Away,
            _ => panic!("nothing is known to bring {status} about"),
        }
        self
    }

    fn deployment(&self) -> Result<Deployment, Problem> {
        Ok(Deployment::read(self.host, |name| {
            self.vars.iter().find(|(var, _)| *var == name).map(|(_, value)| (*value).to_owned())
        })?)
    }

    /// What a host answers.
    fn answer(&self) -> Response<Bytes> {
        let mut request = Request::builder().method(self.method.as_str()).uri(&self.target);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let request = request.body(()).unwrap().into_parts().0;
        let deployment = match self.deployment() {
            Ok(deployment) => deployment,
            Err(problem) => return problem.response(),
        };
        let settings = &deployment.settings;
        let done = plan(&request, Peer::default(), &deployment, NOW)
            .and_then(|plan| self.carry_out(plan, &deployment));
        let mut response = done.unwrap_or_else(|problem| problem.response());
        finish(&mut response, &request.method, &request.headers, settings);
        response
    }

    fn carry_out(&self, plan: Plan, deployment: &Deployment) -> Result<Response<Bytes>, Problem> {
        match plan {
            Plan::Reply(response) => Ok(response),
            Plan::Page => panic!("the core has no page"),
            _ if self.fate == Fate::Away => Err(Problem::Unavailable { cause: "it is away".into() }),
            Plan::Stream(request, _) => {
                let has_ended = request.has_ends && self.fate == Fate::Ended;
                let standing = Standing { last: id(41), has_ended };
                let gap = (self.fate == Fate::Gap).then(gap);
                let start = Start { gap, standing, ..Start::at(id(41)) };
                let host = deployment.settings.host;
                if self.method == "HEAD" && request.log.is_some() {
                    return head(&request, &start, host);
                }
                let mut session = Session::<Bytes>::open(*request, deployment.settings.stream(), 7, NOW);
                session.handle(Input::Page(Page { start, batch: None, more: false }), NOW);
                match session.refusal() {
                    Some(refusal) => refused(refusal, host),
                    None => Ok(head_of_stream(session.starts_after())),
                }
            }
            Plan::Read(read) => {
                // The newest of each key is all there is.
                let more = !read.subscribe.newest;
                let (gap, ended) = (more.then(gap), read.has_ends.then_some(EndReason::DONE));
                let drafts = deployment.feeds.of(&read.channel).filter(|feed| feed.has_ends()).map(|feed| {
                    let body = example_of(feed).to_string();
                    Drafts::of_json(feed, &read.channel, body.as_bytes(), None).unwrap().drafts
                });
                let bodies = drafts.into_iter().flatten().map(|draft| draft.entry(id(42), NOW, None).item());
                read.response(Snapshot { bodies: bodies.collect(), cursor: id(42), more, ended, gap })
            }
            Plan::Entry(read) => {
                let name = read.channel.as_str().split('/').next().unwrap();
                let feed = deployment.feeds.named(name).unwrap();
                let body = example_of(feed).to_string();
                let drafts = Drafts::of_json(feed, &read.channel, body.as_bytes(), None).unwrap().drafts;
                let entry = drafts[0].entry(read.id, NOW, None).body;
                read.response((self.fate != Fate::Absent).then_some(entry))
            }
            Plan::Delete(_) => Ok(deleted(deployment.settings.host)),
            Plan::Append(append) => {
                let Post { drafts, .. } = append.post(&self.body)?;
                let entries: Vec<_> =
                    (42..).zip(&drafts).map(|(n, draft)| draft.entry(id(n), NOW, None)).collect();
                let stored = Stored::of(&entries, id(41));
                let has_ends = append.feed.has_ends();
                append.response(match self.fate {
                    Fate::Ended if has_ends => Receipt::Ended { reason: EndReason::DONE, last: id(41) },
                    Fate::Unmet if has_ends => Receipt::Unmet { last: id(42) },
                    Fate::Replayed => Receipt::Replayed(stored),
                    Fate::KeyReused => Receipt::KeyReused,
                    Fate::TooFast => Receipt::TooFast(Duration::from_millis(1)),
                    _ => Receipt::Stored(stored),
                })
            }
        }
    }
}

/// Sees that the answer is the one that the pointer leads to: its headers, all of them and no others, and its body.
#[track_caller]
fn check(document: &mut Document, what: &str, pointer: &str, answer: &Response<Bytes>) {
    let (described, place) = document.at(pointer);
    let (described, place) = (described.clone(), place.split_once('#').unwrap().1.to_owned());
    let headers = described["headers"].as_object().unwrap();
    for (name, value) in answer.headers().iter().filter(|(name, _)| *name != header::CONTENT_TYPE) {
        let text = value.to_str().unwrap();
        let name = headers.keys().find(|described| described.eq_ignore_ascii_case(name.as_str()));
        let name = name.unwrap_or_else(|| panic!("{what}: {text:?} is in a header that is not described"));
        let (header, header_place) = document.at(&below(&format!("{place}/headers"), name));
        let schema = below(header_place.split_once('#').unwrap().1, "schema");
        let is_number = header["schema"]["type"] == "integer";
        let value = if is_number { text.parse::<u64>().unwrap().into() } else { text.into() };
        document.check(&format!("{what}: {name}"), &schema, &value);
    }
    for name in headers.keys() {
        let is_required = document.at(&below(&format!("{place}/headers"), name)).0["required"] == true;
        assert!(!is_required || answer.headers().contains_key(name), "{what} has no {name}");
    }
    let Some(content) = described["content"].as_object() else { return };
    // Lambda gives what has none a type of its own.
    let default = "application/octet-stream";
    let media_type =
        answer.headers().get(header::CONTENT_TYPE).map_or(default, |value| value.to_str().unwrap());
    let media_type = media_type.split(';').next().unwrap();
    assert!(content.contains_key(media_type), "{what} is {media_type}, of {:?}", content.keys());
    if content[media_type].get("schema").is_some() && answer.body().len() > 1 {
        let body = serde_json::from_slice(answer.body()).unwrap_or_else(|e| panic!("{what}: {e}"));
        document.check(what, &below(&below(&format!("{place}/content"), media_type), "schema"), &body);
    }
}

/// The body that the document shows for a POST.
fn shown(operation: &Value) -> &Value {
    &operation["requestBody"]["content"]["application/json"]["example"]
}

#[test]
fn every_answer_is_described_and_every_description_is_of_an_answer() {
    let (openapi, mut document) = (openapi(), Document::closed_openapi());
    for (method, path, operation) in operations(&openapi) {
        let responses = below(&below(&below("/paths", path), &method.to_lowercase()), "responses");
        let described: BTreeSet<_> = operation["responses"].as_object().unwrap().keys().cloned().collect();
        let mut given = BTreeSet::new();
        for cause in CAUSES {
            if PAGE.contains(&(&*method, path)) && cause != "500" {
                given.insert("200".to_owned());
                continue;
            }
            let answer = Asked::new(&method, path, shown(operation)).provoking(cause).answer();
            let what = format!("{method} {path}, provoking {cause}");
            assert!(described.contains(answer.status().as_str()), "{what}: {answer:?} is not described");
            check(&mut document, &what, &below(&responses, answer.status().as_str()), &answer);
            given.insert(answer.status().as_str().to_owned());
        }
        assert_eq!(given, described, "{method} {path}");
    }
}

#[test]
fn a_feed_answers_a_snapshot_as_described() {
    let (openapi, mut document) = (openapi(), Document::closed_openapi());
    for (method, path, operation) in operations(&openapi).filter(|(_, path, _)| path.starts_with("/api/")) {
        if method != "GET" || path.contains("{id}") {
            continue;
        }
        // Set so that it takes posts, and as it is by default.
        for settings in [usize::MAX, 1] {
            let mut asked = Asked::new(&method, path, shown(operation));
            asked.headers.push(("accept", "application/json".into()));
            asked.vars.truncate(settings);
            let pointer = below(&format!("{}/get/responses", below("/paths", path)), "200");
            check(&mut document, &format!("a snapshot of {path}"), &pointer, &asked.answer());
        }
    }
}

#[test]
fn a_method_that_a_path_does_not_have_is_answered_as_described() {
    let mut document = Document::closed_openapi();
    let deployment = Deployment::read(Host::Worker, |_| None).unwrap();
    let channels = deployment.feeds.iter().map(|feed| feed.endpoints()[0].1);
    for path in channels.chain(["/healthz"]) {
        let answer = Asked::new("PUT", path, &Value::Null).answer();
        assert_eq!(answer.status(), 405, "{path}");
        check(&mut document, path, "/components/responses/MethodNotAllowed", &answer);
    }
}

#[test]
fn pages_are_told_of_origins_as_described() {
    let mut document = Document::closed_openapi();
    for origin in ["https://a.example", "https://b.example"] {
        let mut asked = Asked::new("GET", "/healthz", &Value::Null);
        asked.headers.push(("origin", origin.into()));
        asked.vars.push(("ALLOWED_ORIGINS", "https://a.example"));
        check(&mut document, origin, "/paths/~1healthz/get/responses/200", &asked.answer());
    }
}

/// Who has no token is refused where one is needed, and a bad one wherever any is looked at.
#[test]
fn tokens_are_asked_for_where_the_document_says_so() {
    let openapi = openapi();
    for (method, path, operation) in operations(&openapi).filter(|(.., path, _)| *path != "/") {
        let security = operation["security"].as_array().unwrap();
        let status = |authorization: Option<&str>| {
            let mut asked = Asked::new(&method, path, shown(operation));
            match authorization {
                Some(token) => asked.headers[0].1 = token.into(),
                None => drop(asked.headers.remove(0)),
            }
            asked.answer().status().as_u16()
        };
        assert_eq!(status(Some("Bearer x")) == 401, !security.is_empty(), "{method} {path} with a bad token");
        let is_needed = !security.is_empty() && !security.contains(&json!({}));
        assert_eq!(status(None) == 403, is_needed, "{method} {path} without a token");
    }
}

/// One problem of each kind, as the document shows it where it shows one of that kind.
fn problems() -> Vec<Problem> {
    let setting = Deployment::read(Host::Worker, |name| (name == "HEARTBEAT_SECS").then(|| "0".to_owned()));
    let deployment = Deployment::read(Host::Worker, |_| None).unwrap();
    // Those of feeds stand behind "not acceptable", as the document lists them.
    let conflicts = deployment.feeds.iter().filter_map(|feed| feed.takes_posts().err());
    let before = vec![
        Problem::Invalid { field: "history", rule: "must be a whole number from 0 to 200".into() },
        Problem::Malformed("the body must be a JSON object".into()),
        Problem::Unauthorized(InvalidToken::Expired),
        Problem::Forbidden(Forbidden { action: Action::Publish, channel: "events".into() }),
        Problem::Origin,
        Problem::OtherName { field: "user", rule: "must be the sub of the token, or left out".into() },
        Problem::NotFound("no such message, or it is no longer kept"),
        Problem::MethodNotAllowed { allow: "GET, HEAD, OPTIONS" },
        Problem::NotAcceptable("text/event-stream and application/json"),
    ];
    let behind = vec![
        Problem::Ended { reason: EndReason::new("stopped").unwrap(), last: id(45) },
        Problem::Over,
        Problem::Gap { gap: gap(), resumes_after: id(41) },
        Problem::Unmet { field: "If-Match", last: id(45) },
        Problem::too_large(BODY_BYTES),
        Problem::UnsupportedMediaType(&["application/json"]),
        Problem::KeyReused,
        Problem::TooFast { rate: 5, burst: 20, retry_after: 1 },
        Problem::TooManyChannels { most: 300, retry_after: 12 },
        Problem::Setting(setting.unwrap_err()),
        Problem::Internal { cause: "a bug".into() },
        Problem::Unavailable { cause: "it is away".into() },
    ];
    let problems: Vec<_> = before.into_iter().chain(conflicts).chain(behind).collect();
    // A new kind belongs into the list above, and into the document.
    match &problems[0] {
        Problem::Invalid { .. }
        | Problem::Repeated(_)
        | Problem::Malformed(_)
        | Problem::Unauthorized(_)
        | Problem::Forbidden(_)
        | Problem::Origin
        | Problem::OtherName { .. }
        | Problem::NotFound(_)
        | Problem::MethodNotAllowed { .. }
        | Problem::NotAcceptable(_)
        | Problem::Conflict { .. }
        | Problem::Ended { .. }
        | Problem::Over
        | Problem::Gap { .. }
        | Problem::Unmet { .. }
        | Problem::TooLarge(_)
        | Problem::UnsupportedMediaType(_)
        | Problem::KeyReused
        | Problem::TooFast { .. }
        | Problem::TooManyChannels { .. }
        | Problem::Setting(_)
        | Problem::Internal { .. }
        | Problem::Unavailable { .. } => problems,
    }
}

#[test]
fn the_kinds_of_problems_are_those_of_the_code() {
    const PROBLEM: &str = "application/problem+json";
    let (openapi, mut document) = (openapi(), Document::closed_openapi());
    let mut kinds = Vec::new();
    let mut shown = 0;
    for problem in problems() {
        let answer = problem.response();
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        let status = json!({ "const": answer.status().as_u16() });
        let is_of = |kind: &Value| {
            kind["const"] == body["type"]
                || kind["enum"].as_array().is_some_and(|kinds| kinds.contains(&body["type"]))
        };
        let described = openapi["components"]["responses"].as_object().unwrap().iter();
        let mut described = described.filter(|(_, it)| {
            let said = &it["content"][PROBLEM]["schema"]["properties"];
            said["status"] == status && is_of(&said["type"])
        });
        let (name, described) =
            described.next().unwrap_or_else(|| panic!("{status} is not described: {body}"));
        let media_type = below(&below("/components/responses", name), "content");
        document.check(name, &below(&below(&media_type, PROBLEM), "schema"), &body);
        let example = &described["content"][PROBLEM]["example"];
        if example["type"] == body["type"] {
            assert_eq!(*example, body, "the example of {name}, and what is told");
            shown += 1;
        }
        kinds.push(body["type"].clone());
    }
    assert_eq!(openapi["components"]["schemas"]["Problem"]["properties"]["type"]["enum"], Value::from(kinds));
    let described = openapi["components"]["responses"].as_object().unwrap().values();
    assert_eq!(described.filter(|it| it["content"].get(PROBLEM).is_some()).count(), shown);
}
