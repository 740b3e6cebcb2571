//! What may happen to a world.

use std::time::Duration;

use serde_json::{Value, json};
use ssedge::access::{Key, Sender};
use ssedge::log::{Draft, EndReason, EntryId, Text};
use ssedge::session::{Input, Output};
use ssedge::store::{OnlyIf, Post, Receipt, Stored, Terms};
use ssedge::time::UnixMillis;

use super::{Fault, Speed, Unanswered, World};

/// When a sender that was not answered posts the same again.
const AGAIN: Duration = Duration::from_secs(1);
/// Of so many posts one has no key, and is not repeated.
const WITHOUT_KEY: u64 = 3;

/// The post of this number: an entry of `size` bytes or a little more. It has a value if its key is the first of all.
#[must_use]
pub fn post(number: u64, key: &str, size: usize) -> Post {
    // Up and down, and sometimes the same.
    let cents = (number * 7 % 11).cast_signed() * 25;
    let text = Text::object().id("id").field("n", &number).field("key", key).field("pad", &"x".repeat(size));
    let draft = match key {
        "a" => Draft::new(text.field("cents", &cents).change("change")).with_value(cents),
        _ => Draft::new(text),
    };
    let key_of_post = || Key::new(format!("post-{number}").as_bytes()).expect("a key");
    let sender = Sender::subject(&(number % 2).to_string());
    Post::of(draft.with_key(key), sender, (!number.is_multiple_of(WITHOUT_KEY)).then(key_of_post))
}

/// The post of this number to a channel of one's own: so many entries of this size, on these terms.
#[must_use]
pub fn data(number: u64, key: &str, size: usize, count: usize, terms: Terms) -> Post {
    let pad = "x".repeat(size);
    let draft = |nth| {
        let data = format!(r#"{{"n":{number},"nth":{nth},"of":{count},"key":"{key}","pad":"{pad}"}}"#);
        Draft::data(data).with_key(key)
    };
    Post { drafts: (0..count).map(draft).collect(), terms, ..post(number, key, 0) }
}

/// What somebody asks of a channel of one's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// So many entries.
    pub entries: usize,
    /// It ends behind them.
    pub closes: bool,
    /// Seconds of the lease.
    pub lease: Option<u64>,
    /// Seconds for which it is kept.
    pub keep: Option<u64>,
    /// Only behind the last entry that is known, or only in a new channel.
    pub only_if: Option<Known>,
}

/// What a sender takes for known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// The last entry.
    Last,
    /// That there is none.
    Nothing,
}

/// The reason that the post of this number gives for an end.
fn reason(number: u64) -> EndReason {
    EndReason::new(&format!("post-{number}")).expect("a reason")
}

impl World {
    /// Somebody posts an entry of `size` bytes or a little more. It has a value if its key is the first of all.
    pub fn append(&mut self, key: &str, size: usize) {
        if self.of_data {
            return self.wish(key, size, &Wish { entries: 1, ..Wish::default() });
        }
        let number = self.figures.of("posts");
        self.send(number, &post(number, key, size));
    }

    /// Somebody asks this, with entries of `size` bytes or a little more.
    pub fn wish(&mut self, key: &str, size: usize, wish: &Wish) {
        let number = self.figures.of("posts");
        let last = self.history().last_kept(self.now);
        let terms = Terms {
            only_if: wish.only_if.map(|known| match known {
                Known::Last => OnlyIf::Last(last),
                Known::Nothing => OnlyIf::New,
            }),
            close: wish.closes.then(|| reason(number)),
            lease: wish.lease.map(Duration::from_secs),
            keep: wish.keep.map(Duration::from_secs),
        };
        self.send(number, &data(number, key, size, wish.entries, terms));
    }

    /// Somebody deletes the channel.
    pub fn delete(&mut self) {
        self.figures.count("deletions");
        self.channel.delete(self.now);
        self.hear();
    }

    fn send(&mut self, number: u64, post: &Post) {
        self.figures.count("posts");
        self.posts.insert(number, Unanswered { post: post.clone(), again_at: None });
        self.channel.post(number, post, self.now);
        self.hear();
    }

    /// What the sender of a post is told.
    pub(super) fn answered(&mut self, number: u64, receipt: Option<Receipt>) {
        let Some(posted) = self.posts.get_mut(&number) else { return };
        match receipt {
            Some(Receipt::Stored(stored) | Receipt::Begun(stored) | Receipt::Replayed(stored)) => {
                let post = self.posts.remove(&number).map(|posted| posted.post);
                self.told.extend(post.map(|post| (number, (post, stored))));
            }
            Some(Receipt::Same(_)) => {
                let Terms { close, lease, .. } = &posted.post.terms;
                let is_lasting = posted.post.drafts.is_empty() && (close.is_some() || lease.is_some());
                assert!(is_lasting, "{number} has entries, and changes nothing");
                self.posts.remove(&number);
            }
            Some(Receipt::Ended { reason, .. }) => {
                self.figures.count("posts to what has ended");
                self.posts.remove(&number);
                assert!(
                    self.history().ends_by(&reason) > 0,
                    "{number} hears of an end ({reason}) that never was"
                );
            }
            Some(Receipt::Unmet { .. }) => {
                self.figures.count("posts whose condition does not hold");
                assert!(posted.post.terms.only_if.is_some(), "{number} has no condition");
                self.posts.remove(&number);
            }
            // By a clock that is a minute behind, a bucket is not full yet which another clock has found full.
            Some(Receipt::TooFast(wait) | Receipt::TooMany(wait)) => {
                self.figures.count("posts too fast");
                posted.again_at = Some(self.now + wait);
            }
            None if posted.post.key.is_some() => posted.again_at = Some(self.now + AGAIN),
            None => {
                self.posts.remove(&number);
            }
            Some(Receipt::KeyReused) => panic!("the key of {number} was used for something else"),
        }
    }

    /// Those who were not answered post the same again.
    pub(super) fn post_again(&mut self) {
        let due = |at: Option<UnixMillis>| at.is_some_and(|at| at <= self.now);
        let due = self.posts.iter().filter(|(_, posted)| due(posted.again_at));
        let due: Vec<_> = due.map(|(number, posted)| (*number, posted.post.clone())).collect();
        for (number, post) in due {
            self.figures.count("posts repeated");
            if let Some(posted) = self.posts.get_mut(&number) {
                posted.again_at = None;
            }
            self.channel.post(number, &post, self.now);
            self.hear();
        }
    }

    /// Checks that what senders were told is so, and that everybody was told something.
    pub fn check_senders(&self) {
        assert!(self.posts.is_empty(), "nobody answered {:?}", self.posts.keys());
        let requests = self.history().requests();
        for (number, (post, stored)) in &self.told {
            let ids = requests.get(number).map_or(&[][..], Vec::as_slice);
            assert_eq!(ids.len(), post.drafts.len(), "post {number}");
            self.check_told(*number, post, stored, ids);
        }
    }

    /// What the sender of this post was told is so: it is stored under these ids.
    fn check_told(&self, number: u64, post: &Post, stored: &Stored, ids: &[EntryId]) {
        let history = self.history();
        if let Some(last) = ids.last() {
            assert_eq!(stored.last, *last, "post {number}");
        }
        if self.of_data {
            let told: Value = serde_json::from_str(&stored.body).expect("it is JSON");
            let first = ids.first().map_or(Value::Null, |first| json!(first));
            let told = [&told["first"], &told["last"], &told["count"]];
            assert_eq!(told, [&first, &json!(stored.last), &json!(ids.len())], "post {number}");
        } else {
            let entry = history.get(ids[0]).expect("it is stored");
            assert_eq!(entry.body, stored.body, "post {number}");
        }
        let Terms { only_if, close, .. } = &post.terms;
        if let Some(reason) = close {
            assert_eq!(history.ends_by(reason), 1, "post {number}");
        }
        if let (Some(only_if), Some(first)) = (only_if, ids.first()) {
            let wanted = match only_if {
                OnlyIf::Last(last) => *last,
                OnlyIf::New => EntryId::BEGINNING,
            };
            assert_eq!(history.before(*first), wanted, "post {number} on the condition {only_if:?}");
        }
    }

    /// Something goes wrong with the channel.
    pub fn fault(&mut self, fault: &Fault) {
        self.channel.fault(fault, self.now, &mut self.figures);
        self.hear();
    }

    /// Nobody is there for so long, and those who waited for an answer have given up.
    pub fn sleep(&mut self, span: Duration) {
        self.kill();
        self.posts.clear();
        self.now = self.now + span;
        self.channel.sleep(self.now);
        for reader in &mut self.readers {
            reader.back_at = self.now;
        }
    }

    /// The reader goes away, and comes back after its reconnection time.
    pub fn disconnect(&mut self, reader: usize) {
        if let Some(mut link) = self.cut(reader) {
            self.figures.count("readers gone");
            link.session.handle(Input::ReaderGone, self.now);
            assert!(matches!(link.session.poll_output(), Output::Close(_)), "nothing is left for nobody");
        }
    }

    /// The platform cuts the stream of a reader off, and tells nobody but the reader.
    pub fn cut_off(&mut self, reader: usize) {
        self.channel.vanish(reader);
        if self.cut(reader).is_some() {
            self.figures.count("streams cut off");
        }
    }

    /// The host is gone, and with it every stream.
    pub fn kill(&mut self) {
        self.figures.count("hosts gone");
        self.channel.kill();
        for reader in 0..self.readers.len() {
            self.cut(reader);
        }
    }

    /// What the channel next sends to the reader never arrives.
    pub fn drop_next(&mut self, reader: usize) {
        self.readers[reader].drops = true;
    }

    /// What the channel sends takes so long.
    pub fn delay(&mut self, reader: usize, latency: Duration) {
        self.readers[reader].latency = latency;
    }

    /// How fast the reader takes its bytes from now on.
    pub fn throttle(&mut self, reader: usize, speed: Speed) {
        self.take(reader);
        self.readers[reader].speed = speed;
    }

    /// No more faults: all that is left is to arrive.
    pub fn calm(&mut self) {
        self.calm = true;
        self.channel.calm(self.now);
        self.hear();
        for reader in 0..self.readers.len() {
            self.throttle(reader, Speed::Unlimited);
            let reader = &mut self.readers[reader];
            (reader.latency, reader.drops) = (Duration::from_millis(5), false);
        }
    }

    /// The newest entries, oldest first.
    #[must_use]
    pub fn newest(&self, count: usize) -> Vec<EntryId> {
        self.history().newest(count)
    }
}
