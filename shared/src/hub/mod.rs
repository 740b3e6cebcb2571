//! The streams of one process that follow the same channel share one subscription: a *hub*.
//!
//! The channel sends each entry to the hub once. The hub hands it to its members, which are the streams, and keeps the newest
//! entries, so that a stream whose cursor lies within them need not ask the channel.
//!
//! The connection to the channel belongs to one member, the *owner*, because on some platforms a connection lives only as long
//! as the request that opened it. When the owner leaves, another member opens a connection from where the hub stands. Until it
//! is open, nothing is lost: the channel sends what came meanwhile.
//!
//! A hub does nothing by itself. What a host does for it:
//!
//! - Before a stream asks its channel, it asks the hub by [`Hub::subscribe`].
//! - The owner opens the connection, and tells [`Hub::opened`], [`Hub::news`] and [`Hub::lost`].
//! - Each stream tells at least once per heartbeat that it is alive, by [`Hub::alive`]: an owner that the platform has stopped
//!   says nothing when it ends.
//!
//! `F` is whatever the host holds bytes in, and `M` by what it finds a stream.

mod delivery;
mod gather;
mod io;
mod news;
mod opening;
mod owner;
mod recent;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::log::{Batch, EntryId, Extent, Filter, Position, Retention, Subscribe};
use crate::time::UnixMillis;
pub use gather::Gather;
pub use io::{Answer, AskAgain, Seat, Told};
pub use news::{Block, Head, News};
pub use opening::Opening;
use owner::Owner;
use recent::Recent;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It gets nothing from the hub.
    Apart,
    /// It asks again when the hub is open.
    Waiting,
    /// It gets what comes.
    Live,
}

#[derive(Debug)]
struct Member<M> {
    handle: M,
    filter: Filter,
    state: State,
    alive_at: UnixMillis,
}

/// The streams of one process that follow one channel. See the [module](self) for how to drive it.
#[derive(Debug)]
pub struct Hub<F, M> {
    retention: Retention,
    /// How long a member may say nothing until it is taken for dead.
    silence: Duration,
    members: BTreeMap<Seat, Member<M>>,
    last_seat: u64,
    owner: Option<Owner>,
    recent: Option<Recent<F>>,
    /// The newest id that anybody in this process has heard of.
    heard: EntryId,
    /// The id of the newest end that anybody in this process was told.
    ended: EntryId,
}

impl<F: Block, M: Clone> Hub<F, M> {
    /// One without members. `heartbeat` is the longest silence of a stream.
    #[must_use]
    pub fn new(retention: Retention, heartbeat: Duration) -> Self {
        Self {
            retention,
            // A timer may be late by a little.
            silence: heartbeat + heartbeat / 2,
            members: BTreeMap::new(),
            last_seat: 0,
            owner: None,
            recent: None,
            heard: EntryId::BEGINNING,
            ended: EntryId::BEGINNING,
        }
    }

    /// How many members it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The bytes that it keeps.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.recent.as_ref().map_or(0, Recent::bytes)
    }

    /// A stream comes.
    pub fn enter(&mut self, handle: M, now: UnixMillis) -> Seat {
        self.last_seat += 1;
        let seat = Seat(self.last_seat);
        let member = Member { handle, filter: Filter::ALL, state: State::Apart, alive_at: now };
        self.members.insert(seat, member);
        seat
    }

    /// A stream goes. If it was the owner, the one that is returned is the owner now: it is to open a connection.
    pub fn leave(&mut self, seat: Seat, now: UnixMillis) -> Option<M> {
        self.members.remove(&seat)?;
        if self.is_owner(seat) { self.hand_over(seat, now) } else { None }
    }

    /// A stream wants nothing for now.
    pub fn part(&mut self, seat: Seat) {
        if let Some(member) = self.members.get_mut(&seat) {
            member.state = State::Apart;
        }
    }

    /// Something was stored under this id.
    pub fn heard_of(&mut self, id: EntryId) {
        self.heard = self.heard.max(id);
    }

    /// A stream was told by the channel itself that it has ended, up to this id ([`Batch::upto`]). Whoever was told finds no open
    /// channel here, though the end is still on its way, or never comes because the owner is dead.
    pub fn heard_of_end(&mut self, upto: EntryId) {
        self.ended = self.ended.max(upto);
    }

    /// Whether the stream owns the connection.
    #[must_use]
    pub fn is_owner(&self, seat: Seat) -> bool {
        self.owner.is_some_and(|owner| owner.seat == seat)
    }

    /// From where the owner is to open a connection. What was before the end of the channel counts no more.
    #[must_use]
    pub fn stands_at(&self) -> Option<EntryId> {
        self.recent.as_ref().filter(|recent| !recent.has_ended()).map(Recent::last)
    }

    /// A stream asks for its channel.
    pub fn subscribe(&mut self, seat: Seat, subscribe: &Subscribe, now: UnixMillis) -> Answer<F> {
        let stands_at = self.stands_at();
        let Some(member) = self.members.get_mut(&seat) else { return Answer::Ask };
        member.filter = subscribe.filter.clone();
        member.state = State::Apart;
        let Some(owner) = self.owner.filter(|owner| !owner.is_silent(self.silence, now)) else {
            self.own(seat, now);
            return Answer::Open(stands_at);
        };
        if owner.opens_by.is_some() {
            if owner.seat == seat {
                return Answer::Open(stands_at);
            }
            member.state = State::Waiting;
            return Answer::Wait;
        }
        // Of the newest entries none is left out that somebody was told of, though it is still on its way here.
        let is_cursor = matches!(subscribe.position, Position::After(_));
        let least = if is_cursor { self.ended } else { self.ended.max(self.heard) };
        let recent = self.recent.as_ref().filter(|recent| recent.last() >= least);
        match recent.and_then(|recent| recent.page(subscribe, now)) {
            Some(page) => {
                member.state = State::Live;
                Answer::Page(page)
            }
            None => Answer::Ask,
        }
    }

    /// A stream has asked the channel itself, and stands at `cursor` now, with nothing more behind it when the channel
    /// answered. What the hub has had since; `Err` if it does not reach back so far, so that the stream must ask again. Not for
    /// a stream that was answered with the end of its channel.
    ///
    /// # Errors
    /// [`AskAgain`].
    pub fn join(&mut self, seat: Seat, cursor: EntryId) -> Result<Option<Batch<F>>, AskAgain> {
        let is_open = self.owner.is_some_and(|owner| owner.opens_by.is_none());
        let (Some(member), Some(recent)) = (self.members.get_mut(&seat), &self.recent) else {
            return Err(AskAgain);
        };
        if !is_open {
            return Err(AskAgain);
        }
        if recent.has_ended() {
            // The channel goes on: it was deleted, or its end has expired.
            self.begin_anew();
            return Err(AskAgain);
        }
        let batch = recent.after(cursor, &member.filter).ok_or(AskAgain)?;
        member.state = State::Live;
        Ok((batch.upto > cursor).then_some(batch))
    }

    /// The owner has a connection. `news` are the newest entries of the channel, and end where it ends. At most `room` bytes of
    /// them are kept.
    pub fn opened(
        &mut self,
        seat: Seat,
        extent: Option<Extent>,
        news: Option<News<F>>,
        room: usize,
        now: UnixMillis,
    ) -> Vec<Told<F, M>> {
        let Some(owner) = self.owner.as_mut().filter(|owner| owner.seat == seat) else { return Vec::new() };
        (owner.opens_by, owner.alive_at) = (None, now);
        let last = extent.map_or(EntryId::BEGINNING, |extent| extent.last);
        let floor = news.as_ref().map_or(last, |news| news.after);
        let mut told = self.wake();
        self.recent.take_if(|recent| recent.has_ended());
        match (&mut self.recent, news) {
            (Some(recent), Some(news)) if recent.last() == floor => told.extend(self.push(news, room)),
            (Some(recent), None) if recent.last() == floor => {}
            (_, news) => {
                let batches = self.live(|filter| match &news {
                    Some(news) => news.batch(filter),
                    // A stream that stands elsewhere learns by it that it has missed something.
                    None => {
                        Batch { after: floor, upto: floor, shown: EntryId::BEGINNING, frame: None, end: None }
                    }
                });
                self.recent = Some(Recent::open(self.retention, extent, news));
                self.shrink(room);
                told.extend(batches);
            }
        }
        told
    }

    /// The owner's connection brings news. At most `room` bytes are kept.
    pub fn news(&mut self, seat: Seat, news: News<F>, room: usize, now: UnixMillis) -> Vec<Told<F, M>> {
        let Some(owner) = self.owner.as_mut().filter(|owner| owner.seat == seat) else { return Vec::new() };
        owner.alive_at = now;
        if self.recent.as_ref().is_some_and(Recent::has_ended) {
            // Nobody who was told the end is told what follows it.
            self.begin_anew();
            return Vec::new();
        }
        self.push(news, room)
    }

    /// The owner has no connection: it could not open one, or it broke. Every member that counted on it has lost the channel.
    pub fn lost(&mut self, seat: Seat) -> Vec<Told<F, M>> {
        if !self.is_owner(seat) {
            return Vec::new();
        }
        self.owner = None;
        let counted = self.members.values_mut().filter(|member| member.state != State::Apart);
        let lose = |member: &mut Member<M>| {
            member.state = State::Apart;
            Told::Lost(member.handle.clone())
        };
        counted.map(lose).collect()
    }

    /// A stream shows that it is alive. `true` if it is to open a connection, as the owner from now on: the one before shows
    /// nothing any more, or the connection is not open when it should be.
    pub fn alive(&mut self, seat: Seat, now: UnixMillis) -> bool {
        let Some(member) = self.members.get_mut(&seat) else { return false };
        member.alive_at = now;
        let Some(owner) = &mut self.owner else { return false };
        if owner.seat == seat {
            owner.alive_at = now;
        }
        let opens = owner.is_silent(self.silence, now);
        if opens {
            self.own(seat, now);
        }
        opens
    }

    /// Removes the members that have not shown that they are alive.
    pub fn remove_dead(&mut self, now: UnixMillis) -> Vec<M> {
        let dead = |_: &Seat, member: &mut Member<M>| now.since(member.alive_at) >= self.silence * 2;
        self.members.extract_if(.., dead).map(|(_, member)| member.handle).collect()
    }
}
