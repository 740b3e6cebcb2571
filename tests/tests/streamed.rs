//! Bodies that are appended while they arrive, as a host does it, without a host.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::time::{SystemTime, UNIX_EPOCH};

use http::Request;
use http::request::Parts;
use ssedge::limits::{ENTRY_BYTES, GATHER_BYTES, POST_ENTRIES, POST_STREAM_BYTES};
use ssedge::log::{EndReason, EntryId};
use ssedge::problem::Problem;
use ssedge::route::{Append, Deployment, Peer, Plan, plan};
use ssedge::settings::Host;
use ssedge::store::{OnlyIf, Post, Receipt, Stored};
use ssedge::time::UnixMillis;
use ssedge_tests::token::{SECRET, grants};

const LINES: &str = "application/x-ndjson";
const EVENTS: &str = "text/event-stream";
const BEFORE: u64 = 1_000;

/// What was stored, and the status of the answer.
struct Told {
    posts: Vec<Post>,
    status: u16,
    body: String,
}

impl Told {
    fn counts(&self) -> Vec<usize> {
        self.posts.iter().map(|post| post.drafts.len()).collect()
    }
}

fn request(query: &str, headers: &[(&str, &str)]) -> Parts {
    let uri = format!("/api/channels/run/1{query}");
    let mut request = Request::builder().method("POST").uri(uri);
    request = request.header("authorization", format!("Bearer {}", grants(&[], &["channels/run/*"])));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// Does something with a post that may go on.
fn with_append<T>(query: &str, headers: &[(&str, &str)], what: impl FnOnce(&Append<'_>) -> T) -> T {
    let lookup = |name: &str| (name == "AUTH_SECRET").then(|| SECRET.to_owned());
    let deployment = Deployment::read(Host::Worker, lookup).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let (request, now) = (request(query, headers), UnixMillis(now.try_into().unwrap()));
    match plan(&request, Peer::default(), &deployment, now).unwrap() {
        Plan::Append(append) => what(&append),
        other => panic!("{other:?}"),
    }
}

/// Stores what these chunks bring, as soon as it may be stored, until the channel answers a post by `refusal`.
fn stream(
    query: &str,
    headers: &[(&str, &str)],
    chunks: &[&[u8]],
    is_whole: bool,
    mut refusal: impl FnMut(&Post) -> Option<Receipt>,
) -> Told {
    with_append(query, headers, |append| {
        let mut streamed = append.streamed().unwrap().expect("it is one that comes as a stream");
        let (mut posts, mut last) = (Vec::<Post>::new(), BEFORE);
        let mut store = |posts: &mut Vec<Post>, post: Post| {
            let count = post.drafts.len();
            last += count as u64;
            let stored = Stored { last: EntryId::new(last).unwrap(), body: String::new() };
            let receipt = refusal(&post).unwrap_or(Receipt::Stored(stored));
            posts.push(post);
            (count, receipt)
        };
        let outcome = (|| {
            let mut read = Ok(());
            for chunk in chunks {
                read = streamed.push(chunk);
                while let Some(post) = streamed.take()? {
                    let (count, receipt) = store(&mut posts, post);
                    streamed.stored(count, receipt)?;
                }
                if read.is_err() {
                    break;
                }
            }
            if let Some(post) = streamed.end(is_whole && read.is_ok())? {
                let (count, receipt) = store(&mut posts, post);
                streamed.stored(count, receipt)?;
            }
            read?;
            streamed.response()
        })();
        let response = outcome.unwrap_or_else(|problem: Problem| problem.response());
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        Told { posts, status: response.status().as_u16(), body }
    })
}

fn goes_well(_: &Post) -> Option<Receipt> {
    None
}

#[test]
fn what_is_not_known_before_its_end_is_not_a_stream() {
    let is_stream =
        |headers: &[(&str, &str)]| with_append("", headers, |append| append.streamed().unwrap().is_some());
    assert!(is_stream(&[("content-type", LINES)]) && is_stream(&[("content-type", EVENTS)]));
    assert!(
        !is_stream(&[("content-type", "application/json")]) && !is_stream(&[("content-type", "text/plain")])
    );
    assert!(!is_stream(&[("content-type", LINES), ("content-length", "3")]));
    // A key stands for the whole of it.
    assert!(!is_stream(&[("content-type", LINES), ("idempotency-key", "a")]));
}

#[test]
fn each_chunk_is_stored_as_it_comes_and_the_answer_tells_of_all() {
    let chunks: [&[u8]; 4] = [b"1\n2\n", b"{\"a\":", b"3}\n", b"\"the last has no line end\""];
    let told = stream("?close=1&lease=60", &[("content-type", LINES)], &chunks, true, goes_well);
    assert_eq!(told.counts(), [2, 1, 1]);
    let closes: Vec<_> = told.posts.iter().map(|post| post.terms.close.clone()).collect();
    assert_eq!(closes, [None, None, Some(EndReason::DONE)]);
    assert!(told.posts.iter().all(|post| post.terms.lease.is_some()), "each renews the lease");
    assert_eq!((told.status, &*told.body), (201, r#"{"first":"1001","last":"1004","count":4}"#));
}

#[test]
fn a_precondition_is_for_the_first_of_its_posts() {
    let headers = [("content-type", EVENTS), ("if-match", "\"1000\"")];
    let told = stream("", &headers, &[b"data: a\n\n", b"data: b\n\n"], true, goes_well);
    let conditions: Vec<_> = told.posts.iter().map(|post| post.terms.only_if).collect();
    assert_eq!(conditions, [Some(OnlyIf::Last(EntryId::new(BEFORE).unwrap())), None]);
}

#[test]
fn what_came_is_stored_also_if_the_rest_does_not() {
    let chunks: [&[u8]; 2] = [b"data: a\n\n", b"data: half"];
    let broken = stream("?close=1", &[("content-type", EVENTS)], &chunks, false, goes_well);
    assert_eq!(broken.counts(), [1, 0]);
    assert_eq!(broken.posts[1].terms.close, Some(EndReason::BROKEN));
    let open = stream("", &[("content-type", EVENTS)], &chunks, false, goes_well);
    assert_eq!(open.counts(), [1], "nobody wished the end");
}

#[test]
fn a_bad_line_ends_it_and_is_named() {
    let told = stream("?close=1", &[("content-type", LINES)], &[b"1\n", b"2\n{\n", b"4\n"], true, goes_well);
    assert_eq!(told.counts(), [1, 1, 0]);
    assert_eq!(told.posts[2].terms.close, Some(EndReason::BROKEN));
    assert_eq!(told.status, 400);
    assert!(told.body.contains("line 3"), "{}", told.body);
}

#[test]
fn a_writer_whose_channel_was_stopped_hears_it_at_once() {
    let ended = |_: &Post| {
        Some(Receipt::Ended {
            reason: EndReason::new("stopped").unwrap(),
            last: EntryId::new(BEFORE).unwrap(),
        })
    };
    let told = stream("", &[("content-type", LINES)], &[b"1\n", b"2\n"], true, ended);
    assert_eq!((told.status, told.counts()), (409, vec![1]));
}

#[test]
fn no_post_of_it_is_longer_than_a_post_may_be() {
    let entry = format!("\"{}\"\n", "x".repeat(ENTRY_BYTES - 2));
    let long = entry.repeat(40);
    let told = stream("", &[("content-type", LINES)], &[long.as_bytes()], true, goes_well);
    assert_eq!(told.counts().iter().sum::<usize>(), 40);
    assert!(told.posts.iter().all(|post| post.drafts.iter().map(|draft| draft.data_bytes()).sum::<usize>() <= 8 * GATHER_BYTES));
    let short = "1\n".repeat(POST_ENTRIES + 1);
    let told = stream("", &[("content-type", LINES)], &[short.as_bytes()], true, goes_well);
    assert_eq!(told.counts(), [POST_ENTRIES, 1]);
    let piece = entry.repeat(64);
    let endless: Vec<_> = (0..=POST_STREAM_BYTES / piece.len()).map(|_| piece.as_bytes()).collect();
    assert_eq!(stream("", &[("content-type", LINES)], &endless, true, goes_well).status, 413);
}
