//! Requests: any method, path, query, headers and body.

mod deployment;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, Uri};
use reqwest::Url;
use serde_json::Value;
use serde_json::value::RawValue;
use ssedge::feeds::Target;
use ssedge::limits::POST_ENTRIES;
use ssedge::log::{ChannelName, Draft, EntryId, Kind};
use ssedge::problem::{self, Problem};
use ssedge::route::{self as routes, Append, Peer, Plan, Route, finish, plan};
use ssedge::settings::{Host, Origins, Settings};
use ssedge::sse::{Decoded, Decoder};
use ssedge::store::{Post, Terms};

use crate::stream::{CONFIG, NOW, Stream};
use deployment::{DEPLOYMENTS, Deployment, HOLDER, KEY, LISTED, TOKEN};

/// Who asks.
const PEER: Peer = Peer { address: Some("192.0.2.7"), scheme: Some("https") };

/// The input is a request as HTTP/1.1 writes one, with LF for line ends; the word `{token}` in it is a good token.
/// Whatever it asks for, it gets no more than it may, and a refusal is a document with a status.
pub fn route(input: &[u8]) {
    let (head, body) = match input.windows(2).position(|two| two == b"\n\n") {
        Some(at) => (&input[..at], &input[at + 2..]),
        None => (input, &[][..]),
    };
    let Ok(head) = str::from_utf8(head) else { return };
    let Some(request) = request(&head.replace("{token}", &TOKEN)) else { return };
    resolved(request.uri.path());
    for deployment in &*DEPLOYMENTS {
        let answer = match plan(&request, PEER, &deployment.deployment, NOW) {
            Ok(plan) => {
                assert!(
                    deployment.grants(&plan, &request, head.contains("{token}")),
                    "{} {} comes to {plan:?}",
                    request.method,
                    request.uri
                );
                planned(plan, &request, body, deployment)
            }
            Err(problem) => Some(refusal(&problem)),
        };
        if let Some(answer) = answer {
            finished(answer, &request, &deployment.deployment.settings);
        }
    }
}

/// The head of a request: a line of method and target, and lines of headers.
pub(super) fn request(head: &str) -> Option<Parts> {
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let target = target.strip_suffix(" HTTP/1.1").unwrap_or(target);
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *request.uri_mut() = target.parse::<Uri>().ok()?;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let name = HeaderName::from_bytes(name.as_bytes());
        // As bytes, since a value may have others than ASCII.
        let value = HeaderValue::from_bytes(value.trim().as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            request.headers_mut().append(name, value);
        }
    }
    Some(request.into_parts().0)
}

/// One host gets a path as it was sent, and the other as a URL library left it: both find the same behind it.
fn resolved(path: &str) {
    let feeds = &DEPLOYMENTS[0].deployment.feeds;
    // A feed cannot be compared, but what is found of it can.
    let find = |path: &str| {
        routes::route(path, feeds).map(|found| match found {
            Route::Page => Route::Page,
            Route::Health => Route::Health,
            Route::OpenApi => Route::OpenApi,
            Route::Feed((feed, target)) => Route::Feed((feed.name(), target)),
        })
    };
    let found = find(path);
    if let Ok(Route::Feed((feed, Target::Channel(channel) | Target::Entry { channel, .. }))) = &found {
        in_its_pattern(feed, channel);
    }
    // Not as `http:`, which would take a backslash for a slash.
    if path.starts_with('/')
        && let Ok(url) = Url::parse(&format!("ssedge://host{path}"))
    {
        assert_eq!(find(url.path()), found, "{path} and {url}");
    }
}

/// The name of a channel begins with that of its feed, and is printable.
fn in_its_pattern(feed: &str, channel: &ChannelName) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.~-/".contains(c);
    let name = channel.as_str();
    let is_below = |rest: &str| rest.is_empty() || rest.starts_with('/');
    assert!(name.chars().all(plain) && name.strip_prefix(feed).is_some_and(is_below), "{name:?} of {feed}");
    assert_eq!(name.parse().as_ref(), Ok(channel));
}

/// Does what is to be done; the answer, where there is one already.
fn planned(plan: Plan<'_>, request: &Parts, body: &[u8], deployment: &Deployment) -> Option<Response<Bytes>> {
    match plan {
        Plan::Reply(answer) => {
            assert!(answer.status().is_success(), "{} {}: {}", request.method, request.uri, answer.status());
            Some(answer)
        }
        Plan::Stream(stream, subscriber) => {
            Stream::open(*stream, CONFIG.expiring(subscriber.expires), 7);
            None
        }
        Plan::Append(append) => {
            assert!(
                !append.caller.by_cookie() || is_own(request, &deployment.deployment.settings),
                "{request:?}"
            );
            posted(&append, body).err().map(|problem| refusal(&problem))
        }
        Plan::Page | Plan::Read(_) | Plan::Entry(_) | Plan::Delete(_) => None,
    }
}

/// Whether the request comes from a page that may act by the cookies of whoever looks at it.
fn is_own(request: &Parts, settings: &Settings) -> bool {
    let header = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = header(header::ORIGIN) else { return false };
    let host = header(header::HOST).or(request.uri.authority().map(|authority| authority.as_str()));
    let lists = matches!(&settings.allowed_origins, Origins::Listed(listed) if listed == &[LISTED]);
    (lists && origin == LISTED) || host.is_some_and(|host| origin == format!("https://{host}"))
}

/// Each entry of a body that is taken becomes one event, which says what is stored and nothing else, in nobody else's name.
fn posted(append: &Append<'_>, body: &[u8]) -> Result<(), Problem> {
    let Post { drafts, terms, .. } = append.post(body)?;
    assert!(body.len() <= append.body_bytes());
    assert!(!drafts.is_empty() || terms != Terms::default(), "nothing is posted");
    assert!(drafts.len() <= POST_ENTRIES);
    drafts.iter().for_each(|draft| entry(append, draft));
    Ok(())
}

fn entry(append: &Append<'_>, draft: &Draft) {
    let entry = draft.entry(EntryId::BEGINNING.next(), NOW, None);
    if append.feed.is_granted_by_key() {
        assert_eq!(entry.key.as_deref(), Some(KEY), "the one key that anybody may publish");
    }
    let mut block = Vec::new();
    entry.encode(&mut block);
    let mut heard = Vec::new();
    Decoder::new().feed(&block, |said| heard.push(said)).expect("no body is so long");
    let [Decoded::Message(message)] = &heard[..] else {
        panic!("{} is heard as {heard:?}", block.escape_ascii());
    };
    assert_eq!(&*message.last_event_id, "1");
    assert_eq!(message.event, entry.event.as_ref().map_or("message", |name| name.as_str()));
    if entry.kind == Kind::Data {
        // Each end of a line is one on the wire.
        let lines = entry.body.replace("\r\n", "\n").replace('\r', "\n");
        assert_eq!(message.data, lines);
        return;
    }
    let said: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&entry.body).expect("it is an object");
    let holder = format!("\"{HOLDER}\"");
    let is_in_own_name =
        said.get("user").is_none_or(|user| append.caller.sub().is_none() || user.get() == holder);
    assert!(is_in_own_name, "{said:?}");
    let ends = [('\u{85}', "\\u0085"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")];
    let body = ends.iter().fold(entry.body.clone(), |body, (end, escape)| body.replace(*end, escape));
    assert_eq!(message.data, body);
    assert!(!entry.body.contains(['\r', '\n']), "{:?} is one line", entry.body);
    serde_json::from_str::<&RawValue>(&entry.body).expect("what is stored is JSON");
}

fn refusal(problem: &Problem) -> Response<Bytes> {
    let (status, document) = document(problem);
    assert!((400..500).contains(&status), "a request is at fault, and nothing else: {document}");
    let response = problem.response();
    let has = |name| response.headers().contains_key(name);
    assert_eq!(has(header::WWW_AUTHENTICATE), status == 401, "{document}");
    assert_eq!(has(header::ALLOW), status == 405, "{document}");
    response
}

/// The status of a problem, and its document, which has all its members.
pub(super) fn document(problem: &Problem) -> (u16, Value) {
    let response = problem.response();
    assert_eq!(response.headers()[header::CONTENT_TYPE], problem::CONTENT_TYPE);
    let document: Value = serde_json::from_slice(response.body()).expect("a problem is JSON");
    assert_eq!(document["status"], response.status().as_u16(), "{document}");
    for member in ["type", "title", "detail"] {
        assert!(document[member].as_str().is_some_and(|text| !text.is_empty()), "{member} of {document}");
    }
    (response.status().as_u16(), document)
}

/// Whatever was asked for, no page may read the answer that was not let.
fn finished(mut answer: Response<Bytes>, request: &Parts, settings: &Settings) {
    finish(&mut answer, &request.method, &request.headers, settings);
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header(header::X_CONTENT_TYPE_OPTIONS), Some("nosniff"));
    assert!(header(header::CACHE_CONTROL).is_some());
    let with_credentials = header(header::ACCESS_CONTROL_ALLOW_CREDENTIALS).is_some();
    match header(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        None | Some("*") => assert!(!with_credentials),
        Some(origin) => assert_eq!((origin, settings.host), (LISTED, Host::Worker)),
    }
    if header(header::CONTENT_TYPE) == Some("application/json") && request.method != Method::HEAD {
        serde_json::from_slice::<&RawValue>(answer.body()).expect("it says that it is JSON");
    }
}
