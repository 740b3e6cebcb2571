//! What may happen to a world.

use std::time::Duration;

use ssedge::access::{Key, Sender};
use ssedge::log::{Draft, EntryId, Text};
use ssedge::session::{Input, Output};
use ssedge::store::{Post, Receipt, Stored};
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
    Post {
        draft: draft.with_key(key),
        sender: Sender::subject(&(number % 2).to_string()),
        key: (!number.is_multiple_of(WITHOUT_KEY)).then(key_of_post),
    }
}

impl World {
    /// Somebody posts an entry of `size` bytes or a little more. It has a value if its key is the first of all.
    pub fn append(&mut self, key: &str, size: usize) {
        let number = self.figures.of("posts");
        self.figures.count("posts");
        let post = post(number, key, size);
        self.posts.insert(number, Unanswered { post: post.clone(), again_at: None });
        self.channel.post(number, &post, self.now);
        self.hear();
    }

    /// What the sender of a post is told.
    pub(super) fn answered(&mut self, number: u64, receipt: Option<Receipt>) {
        let Some(posted) = self.posts.get_mut(&number) else { return };
        match receipt {
            Some(Receipt::Stored(stored) | Receipt::Begun(stored) | Receipt::Replayed(stored)) => {
                self.told.insert(number, stored);
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
        let counts = self.history().counts();
        for (number, Stored { id, body }) in &self.told {
            let stored = self.history().get(*id).unwrap_or_else(|| panic!("{number} is not stored at {id}"));
            assert_eq!((&stored.body, counts[number]), (body, 1), "post {number}");
        }
        for (number, count) in counts {
            assert!(count == 1, "post {number} is stored {count} times");
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
