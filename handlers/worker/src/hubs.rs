//! The hubs of this isolate: its streams that follow the same channel, whose requests share one connection to it.
//!
//! A member is told things in the middle of another member's request. It may write to its own stream then, and nothing else:
//! whatever belongs to a request (a timer, a fetch, a socket) is for that request alone.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use ssedge::hub::{Answer, AskAgain, Hub, News, Seat, Told};
use ssedge::limits::HUBS_BYTES;
use ssedge::log::{Batch, ChannelName, EntryId, Extent, Subscribe};
use ssedge::route::Deployment;

use crate::frame::JsFrame;
use crate::host;

/// A stream, as its hub sees it.
pub trait Member {
    /// It gets this.
    fn entries(&self, batch: Batch<JsFrame>);
    /// It waited for the hub, and asks again.
    fn ask_again(&self);
    /// It has lost its channel.
    fn lost(&self, why: Loss);
    /// It is to open a connection for the hub.
    fn own(&self);
    /// Its request has ended, and nobody has told it.
    fn abandon(&self);
}

/// Why a connection is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It broke, or could not be opened.
    Broken,
    /// The channel is of a version that this one does not understand.
    Other,
}

type Shared = Rc<RefCell<Hub<JsFrame, Weak<dyn Member>>>>;

thread_local! {
    static HUBS: RefCell<BTreeMap<ChannelName, Shared>> = RefCell::default();
    /// What they keep together.
    static BYTES: Cell<usize> = const { Cell::new(0) };
    /// Whether one request may write to the stream of another. No platform has promised it.
    static SHARES: Cell<bool> = const { Cell::new(true) };
}

/// From now on every stream has a connection of its own. `true` if it is news.
pub fn stop_sharing() -> bool {
    HUBS.take();
    SHARES.replace(false)
}

/// Something was stored in this channel.
pub fn heard_of(channel: &ChannelName, id: EntryId) {
    if let Some(hub) = HUBS.with_borrow(|hubs| hubs.get(channel).cloned()) {
        hub.borrow_mut().heard_of(id);
    }
}

/// The place of a stream in the hub of its channel. It leaves as it is dropped.
pub struct Place {
    channel: ChannelName,
    hub: Shared,
    seat: Seat,
}

impl Place {
    /// `None` if there are as many streams as there may be.
    pub fn enter(channel: &ChannelName, deployment: &Deployment, member: Weak<dyn Member>) -> Option<Self> {
        let (settings, retention) = (&deployment.settings, deployment.rules(Some(channel)).retention);
        let new = || Rc::new(RefCell::new(Hub::new(retention, settings.heartbeat)));
        let hub = if SHARES.get() {
            HUBS.with_borrow_mut(|hubs| hubs.entry(channel.clone()).or_insert_with(new).clone())
        } else {
            new()
        };
        let is_full = settings.streams_per_channel.is_some_and(|most| hub.borrow().len() as u64 >= most);
        if is_full {
            return None;
        }
        let seat = hub.borrow_mut().enter(member, host::now());
        Some(Self { channel: channel.clone(), hub, seat })
    }

    pub fn subscribe(&self, subscribe: &Subscribe) -> Answer<JsFrame> {
        self.hub.borrow_mut().subscribe(self.seat, subscribe, host::now())
    }

    pub fn heard_of_end(&self, upto: EntryId) {
        self.hub.borrow_mut().heard_of_end(upto);
    }

    pub fn join(&self, cursor: EntryId) -> Result<Option<Batch<JsFrame>>, AskAgain> {
        self.hub.borrow_mut().join(self.seat, cursor)
    }

    pub fn part(&self) {
        self.hub.borrow_mut().part(self.seat);
    }

    pub fn is_owner(&self) -> bool {
        self.hub.borrow().is_owner(self.seat)
    }

    pub fn stands_at(&self) -> Option<EntryId> {
        self.hub.borrow().stands_at()
    }

    pub fn opened(&self, extent: Option<Extent>, news: Option<News<JsFrame>>) {
        tell(self.keep(|hub, room| hub.opened(self.seat, extent, news, room, host::now())), Loss::Broken);
    }

    /// Hands the news on; whether another member should own the connection now.
    pub fn news(&self, news: News<JsFrame>) -> bool {
        tell(self.keep(|hub, room| hub.news(self.seat, news, room, host::now())), Loss::Broken);
        self.hub.borrow().is_tired(self.seat)
    }

    pub fn lost(&self, why: Loss) {
        let told = self.hub.borrow_mut().lost(self.seat);
        tell(told, why);
    }

    /// The stream is alive. `true` if it is to open a connection.
    pub fn alive(&self) -> bool {
        let now = host::now();
        let owns = self.hub.borrow_mut().alive(self.seat, now);
        let dead = if self.is_owner() { self.hub.borrow_mut().remove_dead(now) } else { Vec::new() };
        dead.iter().filter_map(Weak::upgrade).for_each(|member| member.abandon());
        owns
    }

    /// Makes another member the owner.
    pub fn hand_over(&self) {
        let next = self.hub.borrow_mut().hand_over(self.seat, host::now());
        own(next);
    }

    /// Changes what the hub keeps, and counts it.
    fn keep<T>(&self, change: impl FnOnce(&mut Hub<JsFrame, Weak<dyn Member>>, usize) -> T) -> T {
        let mut hub = self.hub.borrow_mut();
        let others = BYTES.get() - hub.bytes();
        let changed = change(&mut hub, HUBS_BYTES.saturating_sub(others));
        BYTES.set(others + hub.bytes());
        changed
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let next = self.hub.borrow_mut().leave(self.seat, host::now());
        own(next);
        let hub = self.hub.borrow();
        if hub.is_empty() {
            BYTES.set(BYTES.get() - hub.bytes());
            HUBS.with_borrow_mut(|hubs| {
                if hubs.get(&self.channel).is_some_and(|known| Rc::ptr_eq(known, &self.hub)) {
                    hubs.remove(&self.channel);
                }
            });
        }
    }
}

fn own(next: Option<Weak<dyn Member>>) {
    if let Some(next) = next.and_then(|next| next.upgrade()) {
        next.own();
    }
}

/// Nothing of the hub is borrowed: what a member does may change it. `why` is for those that have lost it.
fn tell(told: Vec<Told<JsFrame, Weak<dyn Member>>>, why: Loss) {
    for told in told {
        let (Told::Entries(member, _) | Told::AskAgain(member) | Told::Lost(member)) = &told;
        let Some(member) = member.upgrade() else { continue };
        match told {
            Told::Entries(_, batch) => member.entries(batch),
            Told::AskAgain(_) => member.ask_again(),
            Told::Lost(_) => member.lost(why),
        }
    }
}
