//! The wire format: golden streams, and that three decoders, two of them not ours, read what we write.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use eventsource_stream::EventStream;
use futures::{FutureExt, StreamExt, stream};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use ssedge::sse::{Decoded, Decoder, Event, EventId, EventName, HEARTBEAT, Message};

/// An event before it is built, to be compared with what is read.
#[derive(Clone, Debug)]
struct Draft {
    id: Option<String>,
    name: Option<String>,
    retry: Option<u32>,
    data: Option<String>,
    comment: Option<String>,
}

impl Draft {
    fn event(&self) -> Event {
        let mut event = Event::new();
        if let Some(id) = &self.id {
            event = event.id(EventId::new(id).unwrap());
        }
        if let Some(name) = &self.name {
            event = event.name(EventName::new(name).unwrap());
        }
        if let Some(retry) = self.retry {
            event = event.retry(Duration::from_millis(retry.into()));
        }
        if let Some(data) = &self.data {
            event = event.data(data);
        }
        if let Some(comment) = &self.comment {
            event = event.comment(comment);
        }
        event
    }
}

fn encode(drafts: &[Draft]) -> Vec<u8> {
    let mut wire = Vec::new();
    for draft in drafts {
        draft.event().encode(&mut wire);
    }
    wire
}

/// What a reader must make of `drafts`: the events, and the last id.
fn expected(drafts: &[Draft]) -> (Vec<Decoded>, String) {
    let with_lf = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
    let mut decoded = Vec::new();
    let mut last_event_id = String::new();
    for draft in drafts {
        if let Some(comment) = &draft.comment {
            decoded.extend(with_lf(comment).split('\n').map(|line| Decoded::Comment(line.to_owned())));
        }
        if let Some(retry) = draft.retry {
            decoded.push(Decoded::Retry(Duration::from_millis(retry.into())));
        }
        if let Some(id) = &draft.id {
            last_event_id.clone_from(id);
        }
        if let Some(data) = &draft.data {
            let event = draft.name.clone().unwrap_or_else(|| "message".to_owned());
            let last_event_id = last_event_id.clone();
            decoded.push(Decoded::Message(Message { event, data: with_lf(data), last_event_id }));
        }
    }
    (decoded, last_event_id)
}

fn decode(wire: &[u8], chunk_size: usize) -> (Vec<Decoded>, String) {
    let mut decoder = Decoder::new();
    let mut decoded = Vec::new();
    for chunk in wire.chunks(chunk_size) {
        decoder.feed(chunk, |said| decoded.push(said)).unwrap();
    }
    (decoded, decoder.last_event_id().to_owned())
}

/// The form of the fixtures and of the cases for `eventsource-parser`.
fn to_json(decoded: &[Decoded]) -> Value {
    let one = |said: &Decoded| match said {
        Decoded::Message(Message { event, data, last_event_id }) => {
            json!({"message": {"event": event, "data": data, "last_event_id": last_event_id}})
        }
        Decoded::Retry(retry) => json!({"retry": u64::try_from(retry.as_millis()).unwrap()}),
        Decoded::Comment(text) => json!({"comment": text}),
    };
    decoded.iter().map(one).collect()
}

/// Text made of what has a meaning somewhere: line ends, marks, separators, fields, long encodings.
fn hostile_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec!["\n", "\r", "\r\n", "\n\r"]),
        3 => prop::sample::select(vec![" ", ":", ": ", "\0", "\u{feff}", "\t", "\u{b}"]),
        2 => prop::sample::select(vec!["\u{85}", "\u{2028}", "\u{2029}", "é", "🦀", "👩‍🚀", "\u{fffd}"]),
        2 => prop::sample::select(vec!["id: 1", "data: x", "event: gap", "retry: 1", "data", "id", "a", "7"]),
    ];
    prop_oneof![
        3 => vec(piece.prop_map(str::to_owned), 0..8).prop_map(|pieces| pieces.concat()),
        1 => vec(any::<char>(), 0..6).prop_map(|chars| chars.into_iter().collect::<String>()),
    ]
}

fn drafts() -> impl Strategy<Value = Vec<Draft>> {
    let id = hostile_text().prop_map(|text| text.replace(['\r', '\n', '\0'], ""));
    let name = "[A-Za-z0-9_.-]{1,12}";
    let draft = (of(id), of(name), of(any::<u32>()), of(hostile_text()), of(hostile_text()));
    let draft = draft.prop_map(|(id, name, retry, data, comment)| Draft { id, name, retry, data, comment });
    vec(draft, 1..5)
}

/// Streams that nobody's encoder would write.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let field = prop::sample::select(vec!["data", "data", "id", "event", "retry", "", "Data", "x"]);
    let colon = prop::sample::select(vec!["", ":", ": ", ":  "]);
    let end = prop::sample::select(vec!["\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n", "\r\n\r"]);
    let line = (field, colon, hostile_text(), end);
    let lines = vec(line.prop_map(|(field, colon, text, end)| [field, colon, &text, end].concat()), 0..12);
    let mark = prop::sample::select(vec!["", "\u{feff}"]);
    (mark, lines).prop_map(|(mark, lines)| [mark, &lines.concat()].concat().into_bytes())
}

struct Golden {
    name: String,
    wire: Vec<u8>,
    meaning: Value,
}

fn golden() -> Vec<Golden> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sse");
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "txt") {
            all.push(Golden {
                name: path.file_stem().unwrap().to_string_lossy().into_owned(),
                wire: fs::read(&path).unwrap(),
                meaning: serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap(),
            });
        }
    }
    assert!(!all.is_empty(), "there are golden streams");
    all
}

#[test]
fn golden_streams_mean_what_stands_beside_them() {
    for Golden { name, wire, meaning } in golden() {
        for size in [wire.len(), 1, 2] {
            let (decoded, last_event_id) = decode(&wire, size);
            assert_eq!(to_json(&decoded), meaning["decoded"], "{name} in chunks of {size}");
            assert_eq!(last_event_id, meaning["last_event_id"], "{name} in chunks of {size}");
        }
    }
}

#[test]
fn the_encoder_writes_the_golden_session() {
    let id = |id: u64| Event::new().id(EventId::from(id));
    let blocks = [
        id(5).retry(Duration::from_secs(2)).name(EventName::CURSOR).data(r#"{"cursor":"5"}"#).to_bytes(),
        HEARTBEAT.into(),
        Event::new().data(r#"{"type":"tick"}"#).to_bytes(),
        id(6).name(EventName::published("order-created").unwrap()).data(r#"{"text":"a\nb"}"#).to_bytes(),
        id(7).data(" two\r\n\rlines \u{2028}\u{feff}\0").to_bytes(),
        id(9).name(EventName::GAP).data(r#"{"reason":"expired"}"#).to_bytes(),
        Event::new().comment("going\raway").retry(Duration::from_millis(250)).to_bytes(),
    ];
    let session = golden().into_iter().find(|golden| golden.name == "session").unwrap();
    assert_eq!(blocks.concat().escape_ascii().to_string(), session.wire.escape_ascii().to_string());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_at_every_chunk_size(drafts in drafts()) {
        let wire = encode(&drafts);
        for size in 1..=wire.len() {
            prop_assert_eq!(decode(&wire, size), expected(&drafts), "in chunks of {}", size);
        }
    }

    #[test]
    fn the_cut_of_the_chunks_means_nothing(wire in soup()) {
        for size in 1..=wire.len() {
            prop_assert_eq!(decode(&wire, size), decode(&wire, wire.len()), "in chunks of {}", size);
        }
    }

    /// Messages alone: `eventsource-stream` shows no comments, a `retry` only together with data, and moves its
    /// own `last_event_id()` only with an event (the next event does carry the id of a block without data). A
    /// byte order mark at the start makes it panic; our streams never start with one.
    #[test]
    fn eventsource_stream_reads_what_is_written_at_every_chunk_size(drafts in drafts()) {
        let wire = encode(&drafts);
        let is_message = |said| match said { Decoded::Message(message) => Some(message), _ => None };
        let messages: Vec<_> = expected(&drafts).0.into_iter().filter_map(is_message).collect();
        for size in 1..=wire.len() {
            let chunks = stream::iter(wire.chunks(size).map(Ok::<_, std::convert::Infallible>));
            let read: Vec<_> = EventStream::new(chunks)
                .map(Result::unwrap)
                .map(|e| Message { event: e.event, data: e.data, last_event_id: e.id })
                .collect()
                .now_or_never()
                .unwrap();
            prop_assert_eq!(&read, &messages, "in chunks of {}", size);
        }
    }
}

/// How many streams of each kind `eventsource-parser` reads.
const ENCODED_CASES: usize = 600;
const SOUP_CASES: usize = 400;

/// `eventsource-parser` is what most JavaScript clients read a stream with outside EventSource. Beside our own
/// streams it gets soup and the golden ones, where our decoder and it must agree.
#[test]
fn eventsource_parser_reads_what_we_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    assert!(
        root.join("node_modules/eventsource-parser/package.json").exists(),
        "npm's eventsource-parser is not installed: run `cargo xtask test`, which installs it"
    );
    let mut runner = TestRunner::default();
    let mut cases = Vec::new();
    let mut case = |wire: &[u8], expect: Value| cases.push(json!({"wire": wire, "expect": expect}));
    for _ in 0..ENCODED_CASES {
        let drafts = drafts().new_tree(&mut runner).unwrap().current();
        case(&encode(&drafts), to_json(&expected(&drafts).0));
    }
    for _ in 0..SOUP_CASES {
        let wire = soup().new_tree(&mut runner).unwrap().current();
        case(&wire, to_json(&decode(&wire, wire.len().max(1)).0));
    }
    for golden in golden() {
        case(&golden.wire, golden.meaning["decoded"].clone());
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("eventsource-parser-cases.json");
    fs::write(&file, serde_json::to_vec(&cases).unwrap()).unwrap();

    let own = root.join("node_modules/.bin/node");
    let node = if own.exists() { own } else { PathBuf::from("node") };
    let script = root.join("tests/node/eventsource-parser.mjs");
    let output = Command::new(node).arg(script).arg(&file).output().expect("node starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
