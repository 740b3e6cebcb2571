//! A host whose streams share a connection to their channel: some isolates, each with a hub, and one object.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use ssedge::chance::Chance;
use ssedge::hub::{Answer, Hub, News, Opening, Seat, Told};
use ssedge::limits::PAGE_BYTES;
use ssedge::log::{EntryId, Page, Retention, Subscribe};
use ssedge::store::Post;
use ssedge::time::UnixMillis;

use super::channel::{Channel, Event, Fault};
use super::figures::Figures;
use super::history::History;
use super::link::Message;
use super::object::{Call, Object, ObjectLog};

/// What every stream of the world has.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a channel may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Milliseconds that something takes on its way to an isolate, at most.
const WAY_MS: std::ops::RangeInclusive<u64> = 0..=30;
const ISOLATES: usize = 2;

/// What an object sends to an isolate.
#[derive(Debug)]
pub enum Sent {
    /// On the connection of this number; whether it is to be answered.
    News(u64, News<Bytes>, bool),
    /// The connection of this number is broken.
    Broken(u64),
    /// What the question of this number is answered; `None` if it is refused.
    Page(u64, Option<Page<Bytes>>),
    /// A connection is open; `None` if it is refused.
    Opened(u64, Option<Opening>),
}

/// A stream of a reader, which is not the same as its next one.
type Stream = (usize, u64);

/// What a reader has in its isolate.
struct Place {
    seat: Seat,
    stream: Stream,
    /// Of its newest subscription.
    serial: u64,
    /// What it waits for.
    asked: Option<Subscribe>,
}

struct Isolate {
    hub: Hub<Bytes, Stream>,
    /// By reader.
    places: BTreeMap<usize, Place>,
    /// The questions that are on their way: who asked, by which subscription.
    questions: BTreeMap<u64, (usize, u64)>,
    /// The newest connection, who owns it, and by when it is to be open.
    connection: Option<(u64, usize, Option<UnixMillis>)>,
    inbox: VecDeque<(UnixMillis, Sent)>,
}

/// Some isolates and their object.
pub struct Isolates<L> {
    object: Object<L>,
    isolates: Vec<Isolate>,
    retention: Retention,
    events: Vec<Event>,
    chance: Chance,
    numbers: u64,
    /// The bytes that a hub may keep.
    room: usize,
    /// How long hubs take to deliver.
    delivers: Duration,
    answers: Vec<UnixMillis>,
    figures: Figures,
}

impl Isolate {
    fn new(retention: Retention) -> Self {
        Self {
            hub: Hub::new(retention, HEARTBEAT),
            places: BTreeMap::new(),
            questions: BTreeMap::new(),
            connection: None,
            inbox: VecDeque::new(),
        }
    }
}

impl<L: ObjectLog> Isolates<L> {
    /// Some without streams.
    pub fn new(log: L, retention: Retention, seed: u64) -> Self {
        Self {
            object: Object::new(log, retention),
            isolates: (0..ISOLATES).map(|_| Isolate::new(retention)).collect(),
            retention,
            events: Vec::new(),
            chance: Chance::seeded(seed),
            numbers: 0,
            room: PAGE_BYTES,
            delivers: Duration::ZERO,
            answers: Vec::new(),
            figures: Figures::default(),
        }
    }

    fn isolate(&mut self, reader: usize) -> &mut Isolate {
        let count = self.isolates.len();
        &mut self.isolates[reader % count]
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Sends something on its way to an isolate; what is on the same way keeps its order.
    fn send(&mut self, isolate: usize, sent: Sent, now: UnixMillis) {
        let way = self.chance.draw(WAY_MS);
        let inbox = &mut self.isolates[isolate].inbox;
        let is_same_way = |other: &Sent| !matches!(other, Sent::Page(..)) && !matches!(sent, Sent::Page(..));
        let before = inbox.iter().filter(|(_, other)| is_same_way(other)).map(|(at, _)| *at).max();
        let at = before.map_or(now + way, |before| before.max(now + way));
        inbox.insert(inbox.partition_point(|(other, _)| *other <= at), (at, sent));
    }

    fn ask(&mut self, reader: usize, now: UnixMillis) {
        let here = self.isolate(reader);
        let Some(place) = here.places.get_mut(&reader) else { return };
        let (serial, Some(subscribe)) = (place.serial, place.asked.clone()) else { return };
        match here.hub.subscribe(place.seat, &subscribe, now) {
            Answer::Page(page) => {
                place.asked = None;
                self.figures.count("pages of hubs");
                self.events.push(Event::Message(reader, serial, Message::Page(page)));
            }
            Answer::Ask => {
                self.figures.count("pages of objects");
                let number = self.number();
                self.isolate(reader).questions.insert(number, (reader, serial));
                self.object.call(reader % ISOLATES, number, &Call::Page(subscribe), now);
            }
            Answer::Open(after) => self.open(reader, after, now),
            Answer::Wait => {}
        }
    }

    fn open(&mut self, reader: usize, after: Option<EntryId>, now: UnixMillis) {
        self.figures.count("connections");
        let number = self.number();
        self.close(reader % ISOLATES);
        self.isolate(reader).connection = Some((number, reader, Some(now + PATIENCE)));
        self.object.call(reader % ISOLATES, number, &Call::Open(after), now);
    }

    fn close(&mut self, isolate: usize) {
        if let Some((number, ..)) = self.isolates[isolate].connection.take() {
            self.object.disconnect(number);
        }
    }

    fn tell(&mut self, told: Vec<Told<Bytes, Stream>>, now: UnixMillis) {
        for told in told {
            let (Told::Entries(stream, _) | Told::AskAgain(stream) | Told::Lost(stream)) = told;
            let place = self.isolate(stream.0).places.get_mut(&stream.0);
            let Some(place) = place.filter(|place| place.stream == stream) else { continue };
            let (reader, serial) = (stream.0, place.serial);
            match told {
                Told::Entries(_, batch) => {
                    self.events.push(Event::Message(reader, serial, Message::Batch(batch)));
                }
                Told::AskAgain(_) => self.ask(reader, now),
                Told::Lost(_) => {
                    place.asked = None;
                    self.events.push(Event::Message(reader, serial, Message::Lost));
                }
            }
        }
    }

    fn lost(&mut self, isolate: usize, owner: usize, now: UnixMillis) {
        self.close(isolate);
        let here = &mut self.isolates[isolate];
        let Some(place) = here.places.get_mut(&owner) else { return };
        let was_asking = place.asked.take().is_some();
        let (told, serial) = (here.hub.lost(place.seat), place.serial);
        self.events.extend(was_asking.then_some(Event::Message(owner, serial, Message::Lost)));
        self.tell(told, now);
    }

    fn receive(&mut self, isolate: usize, sent: Sent, now: UnixMillis) {
        let room = self.room;
        let owner = self.isolates[isolate].connection;
        let owner = |number| owner.filter(|(current, ..)| *current == number).map(|(_, owner, _)| owner);
        match sent {
            Sent::News(number, news, wants_answer) => {
                let Some(owner) = owner(number) else { return };
                let here = &mut self.isolates[isolate];
                let Some(place) = here.places.get(&owner) else { return };
                let told = here.hub.news(place.seat, news, room, now);
                self.tell(told, now);
                if wants_answer {
                    self.answers.push(now + self.delivers);
                }
            }
            Sent::Broken(number) => {
                if let Some(owner) = owner(number) {
                    self.lost(isolate, owner, now);
                }
            }
            Sent::Opened(number, None) => {
                if let Some(owner) = owner(number) {
                    self.lost(isolate, owner, now);
                }
            }
            Sent::Opened(number, Some(Opening { extent, news })) => {
                let Some(owner) = owner(number) else { return };
                let here = &mut self.isolates[isolate];
                here.connection = Some((number, owner, None));
                let Some(place) = here.places.get(&owner) else { return };
                let told = here.hub.opened(place.seat, extent, news, room, now);
                self.tell(told, now);
                self.ask(owner, now);
            }
            Sent::Page(number, page) => self.answered(isolate, number, page),
        }
    }

    fn answered(&mut self, isolate: usize, number: u64, page: Option<Page<Bytes>>) {
        let here = &mut self.isolates[isolate];
        let Some((reader, serial)) = here.questions.remove(&number) else { return };
        let Some(place) = here.places.get_mut(&reader).filter(|place| place.serial == serial) else { return };
        if place.asked.take().is_none() {
            return;
        }
        let Some(mut page) = page else {
            return self.events.push(Event::Message(reader, serial, Message::Lost));
        };
        if let Some(batch) = page.batch.as_ref().filter(|_| page.ends()) {
            here.hub.heard_of_end(batch.upto);
            return self.events.push(Event::Message(reader, serial, Message::Page(page)));
        }
        let cursor = page.batch.as_ref().map_or(page.start.after, |batch| batch.upto);
        let since = (!page.more).then(|| here.hub.join(place.seat, cursor));
        page.more = !matches!(since, Some(Ok(_)));
        self.events.push(Event::Message(reader, serial, Message::Page(page)));
        if let Some(Ok(Some(batch))) = since {
            self.events.push(Event::Message(reader, serial, Message::Batch(batch)));
        }
    }

    /// The isolates are gone, and their streams with them.
    fn end_isolates(&mut self) {
        for isolate in 0..ISOLATES {
            self.close(isolate);
            self.isolates[isolate] = Isolate::new(self.retention);
        }
    }

    fn hear_object(&mut self, now: UnixMillis) {
        for (isolate, sent) in self.object.sent() {
            self.send(isolate, sent, now);
        }
    }
}

impl<L: ObjectLog> Channel for Isolates<L> {
    fn post(&mut self, number: u64, post: &Post, now: UnixMillis) {
        let events = self.object.post(number, post, now);
        self.events.push(events);
        self.hear_object(now);
    }

    fn delete(&mut self, now: UnixMillis) {
        self.object.delete(now);
        self.hear_object(now);
    }

    fn subscribe(&mut self, reader: usize, serial: u64, subscribe: &Subscribe, now: UnixMillis) {
        let stream = (reader, self.number());
        let here = self.isolate(reader);
        let place = here.places.entry(reader).or_insert_with(|| {
            let seat = here.hub.enter(stream, now);
            Place { seat, stream, serial, asked: None }
        });
        (place.serial, place.asked) = (serial, Some(subscribe.clone()));
        self.ask(reader, now);
        self.hear_object(now);
    }

    fn unsubscribe(&mut self, reader: usize) {
        let here = self.isolate(reader);
        if let Some(place) = here.places.get_mut(&reader) {
            place.asked = None;
            here.hub.part(place.seat);
        }
    }

    fn leave(&mut self, reader: usize, now: UnixMillis) {
        let here = self.isolate(reader);
        let Some(place) = here.places.remove(&reader) else { return };
        let was_owner = here.hub.is_owner(place.seat);
        let next = here.hub.leave(place.seat, now);
        let is_empty = here.hub.is_empty();
        if was_owner {
            self.close(reader % ISOLATES);
        }
        if is_empty {
            *self.isolate(reader) = Isolate::new(self.retention);
        } else if let Some((next, _)) = next {
            self.figures.count("owners gone");
            let after = self.isolate(next).hub.stands_at();
            self.open(next, after, now);
            self.hear_object(now);
        }
    }

    /// Nobody tells the hub; only the object sees that the connection is gone.
    fn vanish(&mut self, reader: usize) {
        let here = self.isolate(reader);
        let Some(place) = here.places.remove(&reader) else { return };
        if here.hub.is_owner(place.seat) {
            self.close(reader % ISOLATES);
            self.figures.count("owners cut off");
        }
    }

    fn alive(&mut self, reader: usize, now: UnixMillis) {
        let here = self.isolate(reader);
        let Some(place) = here.places.get(&reader) else { return };
        let owns = here.hub.alive(place.seat, now);
        here.hub.remove_dead(now);
        if owns {
            self.figures.count("owners replaced");
            let after = self.isolate(reader).hub.stands_at();
            self.open(reader, after, now);
            self.hear_object(now);
        }
    }

    fn next_event(&self) -> Option<UnixMillis> {
        let events = (!self.events.is_empty()).then_some(UnixMillis(0));
        let inboxes = self.isolates.iter().filter_map(|here| here.inbox.front().map(|(at, _)| *at));
        let openings = self.isolates.iter().filter_map(|here| here.connection.and_then(|(.., by)| by));
        let answers = self.answers.iter().copied();
        inboxes.chain(openings).chain(answers).chain(events).chain(self.object.next_event()).min()
    }

    fn step(&mut self, now: UnixMillis) -> Vec<Event> {
        for _ in self.answers.extract_if(.., |at| *at <= now) {
            self.object.answered(now);
        }
        self.object.step(now);
        self.hear_object(now);
        for isolate in 0..ISOLATES {
            while let Some((_, sent)) = self.isolates[isolate].inbox.pop_front_if(|(at, _)| *at <= now) {
                self.receive(isolate, sent, now);
            }
            if let Some((_, owner, Some(by))) = self.isolates[isolate].connection
                && by <= now
            {
                self.lost(isolate, owner, now);
            }
        }
        self.hear_object(now);
        std::mem::take(&mut self.events)
    }

    fn fault(&mut self, fault: &Fault, now: UnixMillis, figures: &mut Figures) {
        match *fault {
            Fault::Lose(reader) => {
                if let Some((number, ..)) = self.isolate(reader).connection {
                    self.object.disconnect(number);
                    self.send(reader % ISOLATES, Sent::Broken(number), now);
                }
            }
            Fault::Deliver(span) => self.delivers = span,
            Fault::Room(bytes) => self.room = bytes,
            _ => self.object.fault(fault, now, figures),
        }
        self.hear_object(now);
    }

    fn calm(&mut self, now: UnixMillis) {
        self.delivers = Duration::ZERO;
        self.object.calm(now);
        self.hear_object(now);
    }

    fn sleep(&mut self, until: UnixMillis) {
        self.end_isolates();
        self.events.clear();
        self.answers.clear();
        self.object.sleep(until);
    }

    fn kill(&mut self) {
        self.end_isolates();
    }

    fn history(&self) -> &History {
        self.object.history()
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn figures(&self) -> Figures {
        self.figures.clone()
    }
}
