//! What the members of a hub are told, and what it keeps.

use std::collections::BTreeMap;

use super::{Block, Hub, Member, News, State, Told};
use crate::limits::PAGE_BYTES;
use crate::log::{Batch, Filter};

impl<F: Block, M: Clone> Hub<F, M> {
    /// Those that waited for the hub.
    pub(super) fn wake(&mut self) -> Vec<Told<F, M>> {
        let waiting = self.members.values_mut().filter(|member| member.state == State::Waiting);
        let wake = |member: &mut Member<M>| {
            member.state = State::Apart;
            Told::AskAgain(member.handle.clone())
        };
        waiting.map(wake).collect()
    }

    pub(super) fn push(&mut self, news: News<F>, room: usize) -> Vec<Told<F, M>> {
        let told = self.live(|filter| news.batch(filter));
        if let Some(owner) = &mut self.owner {
            owner.delivered(told.len());
        }
        if let Some(recent) = &mut self.recent {
            recent.push(news);
        }
        // A reader that is alone shares nothing.
        self.shrink(if self.members.len() > 1 { room } else { 0 });
        told
    }

    pub(super) fn shrink(&mut self, room: usize) {
        if let Some(recent) = &mut self.recent {
            recent.shrink(room.min(PAGE_BYTES));
        }
    }

    /// What every live member gets, encoded once for each filter.
    pub(super) fn live(&self, batch: impl Fn(&Filter) -> Batch<F>) -> Vec<Told<F, M>> {
        let mut batches = BTreeMap::<&Filter, Batch<F>>::new();
        let live = self.members.values().filter(|member| member.state == State::Live);
        let told = live.map(|member| {
            let batch = batches.entry(&member.filter).or_insert_with(|| batch(&member.filter));
            Told::Entries(member.handle.clone(), batch.clone())
        });
        told.collect()
    }
}
