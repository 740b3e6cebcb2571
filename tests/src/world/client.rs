//! A reader as a browser's `EventSource` is one, which checks all that it hears against the log.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use ssedge::log::{EntryId, Filter, Position};
use ssedge::sse::{Decoded, Decoder, Message};
use ssedge::time::UnixMillis;

use super::history::History;

/// What it is to a browser that never heard a `retry`.
const RETRY: Duration = Duration::from_secs(3);

/// An `EventSource` and its listener.
#[derive(Debug)]
pub struct Client {
    filter: Filter,
    history: u32,
    conflates: bool,
    decoder: Decoder,
    last_event_id: String,
    /// When it comes back after a cut.
    pub retry: Duration,
    /// It has seen, or was told to forget, everything up to here.
    pub at: Option<EntryId>,
    /// Where a reader of quotes stands with each key on this connection.
    quotes: HashMap<String, EntryId>,
    /// Where this connection began.
    baseline: Option<EntryId>,
    /// The messages that it saw over all connections.
    pub seen: Vec<EntryId>,
    /// The gaps that it was told of, as where they ended.
    pub gaps: Vec<EntryId>,
    /// The ticks and the comments.
    pub beats: usize,
    /// The newest end that it was told of.
    pub end: Option<usize>,
    /// It was told on this connection that the channel has ended.
    is_over: bool,
    /// How many a comment says were skipped before the next message.
    skipped: Option<u64>,
}

impl Client {
    /// One that has not connected.
    #[must_use]
    pub fn new(filter: Filter, history: u32, conflates: bool) -> Self {
        Self {
            filter,
            history,
            conflates,
            decoder: Decoder::new(),
            last_event_id: String::new(),
            retry: RETRY,
            at: None,
            quotes: HashMap::new(),
            baseline: None,
            seen: Vec::new(),
            gaps: Vec::new(),
            beats: 0,
            end: None,
            is_over: false,
            skipped: None,
        }
    }

    /// Connects: what it asks for.
    pub fn connect(&mut self) -> Position {
        self.decoder = Decoder::new();
        self.quotes.clear();
        (self.baseline, self.is_over, self.skipped) = (None, false, None);
        match self.last_event_id.as_str() {
            "" => Position::History(self.history),
            id => Position::after(id),
        }
    }

    /// Takes bytes of the body.
    pub fn take(&mut self, bytes: &[u8], log: &History, now: UnixMillis) {
        let mut heard = Vec::new();
        self.decoder.feed(bytes, |said| heard.push(said)).expect("no event is over the decoder's bound");
        for said in heard {
            match said {
                Decoded::Retry(retry) => self.retry = retry,
                Decoded::Comment(comment) => match comment.trim().strip_prefix("skipped ") {
                    Some(skipped) => self.skipped = Some(skipped.parse().expect("a number")),
                    None => self.beats += 1,
                },
                Decoded::Message(message) => self.hear(&message, log, now),
            }
        }
        if !self.decoder.last_event_id().is_empty() {
            self.decoder.last_event_id().clone_into(&mut self.last_event_id);
        }
    }

    /// There is no stream for it: it is told that nothing will ever follow.
    pub fn refused(&self, log: &History) {
        let last = log.last_of_end().expect("the channel ended");
        let missed = self.at.filter(|at| *at > EntryId::BEGINNING).map(|at| {
            let missed = log.pending(at, last, &self.filter).map(|entry| entry.id);
            missed.collect::<Vec<_>>()
        });
        assert!(missed.is_none_or(|missed| missed.is_empty()), "it has not seen all");
    }

    fn hear(&mut self, message: &Message, log: &History, now: UnixMillis) {
        assert!(!self.is_over, "{message:?} after the end");
        if let Some(end) = self.end.filter(|_| message.event != "expired") {
            assert!(log.is_over(end, now), "{message:?} in a channel whose end was told");
        }
        let id = message.last_event_id.parse::<EntryId>();
        match (message.event.as_str(), id) {
            ("expired", _) => {}
            ("message", _) if message.data.starts_with(r#"{"type":"tick""#) => self.beats += 1,
            ("cursor", Ok(id)) => {
                let data: Value = serde_json::from_str(&message.data).expect("a cursor is JSON");
                let heartbeat = data["heartbeat_secs"].as_u64().expect("a number of seconds");
                assert_eq!(message.data, json!({ "cursor": id, "heartbeat_secs": heartbeat }).to_string());
                self.told(id, log);
            }
            ("end", Ok(id)) => self.ends(id, &message.data, log, now),
            ("gap", Ok(id)) => self.gap(id, &message.data, log, now),
            ("message", Ok(id)) if self.conflates => self.quote(id, &message.data, log),
            ("message", Ok(id)) => self.saw(id, log),
            _ => panic!("nobody sends {message:?}"),
        }
    }

    /// It is told the end once, after all that came before.
    fn ends(&mut self, last: EntryId, data: &str, log: &History, now: UnixMillis) {
        let data: Value = serde_json::from_str(data).expect("an end is JSON");
        let reason = data["reason"].as_str().expect("an end has a reason");
        assert_eq!(data, json!({ "reason": reason, "last": last }));
        if last > EntryId::BEGINNING {
            self.told(last, log);
        }
        let end = log.next_end(self.end, reason, last, now);
        let is_left =
            || panic!("no end {reason} behind {last} is left to be told after {:?}: {log:?}", self.end);
        self.end = Some(end.unwrap_or_else(is_left));
        self.is_over = true;
    }

    fn told(&mut self, cursor: EntryId, log: &History) {
        if let Some(at) = self.at {
            assert!(cursor >= at, "the cursor went back from {at} to {cursor}");
            let missed: Vec<_> = log.pending(at, cursor, &self.filter).map(|entry| entry.id).collect();
            assert!(missed.is_empty(), "the cursor went from {at} to {cursor}, over {missed:?}");
        }
        self.at = Some(cursor);
        self.baseline.get_or_insert(cursor);
    }

    fn gap(&mut self, resumes_after: EntryId, data: &str, log: &History, now: UnixMillis) {
        let data: Value = serde_json::from_str(data).expect("a gap is JSON");
        let at = self.at.expect("a reader without a cursor has no gap");
        assert_eq!(data["reason"], "expired", "every cursor here is one that was given");
        assert_eq!(data["resumes_after"], json!(resumes_after));
        assert!(log.forgot || log.has_missed(at, now), "a gap from {at}, of which nothing is missing");
        self.gaps.push(resumes_after);
        self.quotes.clear();
        self.at = Some(resumes_after);
        self.baseline = Some(resumes_after);
    }

    fn saw(&mut self, id: EntryId, log: &History) {
        let at = self.at.expect("the cursor comes first");
        let expected: Vec<_> = log.pending(at, id, &self.filter).map(|entry| entry.id).collect();
        assert_eq!(expected, [id], "what follows {at}");
        self.at = Some(id);
        self.seen.push(id);
    }

    /// A quote stands for itself and for what it says was skipped, no more and no less.
    fn quote(&mut self, id: EntryId, data: &str, log: &History) {
        let data: Value = serde_json::from_str(data).expect("a quote is JSON");
        let key = data["key"].as_str().expect("a quote has a key").to_owned();
        let before = self.quotes.get(&key).copied().or(self.baseline).expect("the cursor comes first");
        let skipped = data.get("skipped").map(|n| n.as_u64().expect("a number"));
        let skipped = skipped.or(self.skipped.take()).unwrap_or(0);
        let counted = log.pending(before, id, &Filter::keys([key.clone()])).count();
        assert_eq!(skipped + 1, counted as u64, "quotes of {key} from {before} to {id}");
        assert!(self.at.is_none_or(|at| at < id), "{id} after {:?}", self.at);
        self.quotes.insert(key, id);
        self.at = Some(id);
        self.seen.push(id);
    }

    /// Whether nothing is left for it to see.
    #[must_use]
    pub fn is_up_to_date(&self, log: &History) -> bool {
        self.at.is_some_and(|at| log.pending(at, log.last(), &self.filter).next().is_none())
    }
}
