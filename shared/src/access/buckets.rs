//! The token buckets of many senders, in bounded memory.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Micros, Rate, Sender, micros};
use crate::time::UnixMillis;

/// When the buckets of senders are full again, for a bounded number of them. Above it the fullest are forgotten, so a
/// crowd of new senders gives nobody a token that had none.
///
/// ```
/// use ssedge::access::{Buckets, Rate, Sender};
/// use ssedge::time::UnixMillis;
///
/// let (rate, now) = (Rate::per_second(1, 1), UnixMillis(1_795_341_600_000));
/// let mut buckets = Buckets::new(1_000);
/// let ada = Sender::subject("ada");
/// assert!(buckets.take(&ada, rate, now).is_ok());
/// assert_eq!(buckets.take(&ada, rate, now).unwrap_err().as_secs(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct Buckets {
    full_at: BTreeMap<Sender, Micros>,
    most: usize,
}

impl Buckets {
    /// None yet, and never more than `most`.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { full_at: BTreeMap::new(), most }
    }

    /// When the sender's bucket is full, if it is remembered.
    #[must_use]
    pub fn full_at(&self, sender: &Sender) -> Option<Micros> {
        self.full_at.get(sender).copied()
    }

    /// Remembers when the sender's bucket is full.
    pub fn fill(&mut self, sender: &Sender, full_at: Micros, now: UnixMillis) {
        if self.full_at.len() >= self.most && !self.full_at.contains_key(sender) {
            self.forget(micros(now));
        }
        self.full_at.insert(sender.clone(), full_at);
    }

    /// Takes a token from the sender's bucket.
    ///
    /// # Errors
    /// How long it takes until there is a token.
    pub fn take(&mut self, sender: &Sender, rate: Rate, now: UnixMillis) -> Result<(), Duration> {
        let full_at = rate.take(self.full_at(sender).unwrap_or(0), now)?;
        self.fill(sender, full_at, now);
        Ok(())
    }

    /// Gives back a token that was taken and not used.
    pub fn give_back(&mut self, sender: &Sender, rate: Rate) {
        if let Some(full_at) = self.full_at.get_mut(sender) {
            *full_at = full_at.saturating_sub(rate.interval());
        }
    }

    /// Forgets those that are full; if that is less than half, those that will be full first.
    fn forget(&mut self, now: Micros) {
        self.full_at.retain(|_, full_at| *full_at > now);
        if self.full_at.len() * 2 > self.most {
            let mut all: Vec<_> = self.full_at.values().copied().collect();
            let (_, middle, _) = all.select_nth_unstable(self.most / 2);
            let middle = *middle;
            self.full_at.retain(|_, full_at| *full_at > middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_341_600_000);

    fn sender(n: usize) -> Sender {
        Sender::subject(&n.to_string())
    }

    /// An attacker who has more addresses than there is room for, and one sender who has used up its tokens.
    #[test]
    fn a_crowd_takes_bounded_memory_and_refills_nobody() {
        const MOST: usize = 100;
        const BURST: u64 = 3;
        let rate = Rate::per_span(BURST, Duration::from_secs(3_600));
        let mut buckets = Buckets::new(MOST);
        let busy = sender(0);
        for _ in 0..BURST {
            assert_eq!(buckets.take(&busy, rate, NOW), Ok(()));
        }
        for n in 1..50 * MOST {
            assert_eq!(buckets.take(&sender(n), rate, NOW), Ok(()));
            assert!(buckets.full_at.len() <= MOST, "{} after {n}", buckets.full_at.len());
        }
        assert_eq!(buckets.take(&busy, rate, NOW), Err(Duration::from_secs(1_200)));
        assert_eq!(buckets.take(&busy, rate, NOW + Duration::from_secs(1_200)), Ok(()));
    }

    #[test]
    fn where_all_are_as_empty_the_memory_is_bounded_all_the_same() {
        let rate = Rate::per_span(1, Duration::from_secs(3_600));
        for most in [1, 2, 3, 10] {
            let mut buckets = Buckets::new(most);
            for n in 0..100 {
                assert_eq!(buckets.take(&sender(n), rate, NOW), Ok(()));
                assert!(buckets.full_at.len() <= most, "{} of {most}", buckets.full_at.len());
            }
        }
    }

    #[test]
    fn a_token_that_is_given_back_can_be_taken_again() {
        let rate = Rate::per_second(1, 2);
        let mut buckets = Buckets::new(10);
        for _ in 0..10 {
            assert_eq!(buckets.take(&sender(1), rate, NOW), Ok(()));
            buckets.give_back(&sender(1), rate);
        }
        let taken = (0..10).filter(|_| buckets.take(&sender(1), rate, NOW).is_ok()).count();
        assert_eq!(taken, 2);
        // Of one who is not remembered there is nothing to give back.
        buckets.give_back(&sender(2), rate);
        assert_eq!(buckets.full_at(&sender(2)), None);
    }
}
