//! A stream: any inputs at any times, from a host and a channel that keep to their contract, until one of them does not.

mod checker;
mod host;
mod link;
mod scenario;

use arbitrary::{Arbitrary, Unstructured};

use host::Host;
use scenario::Scenario;

/// The most that happens to one stream.
const STEPS: usize = 300;

/// The input is a [`Scenario`]. Whatever happens, the session says whole blocks that decode, asks to be woken later than
/// now, keeps its backlog bounded, and says nothing after its end. As long as the channel tells the truth, ids go forward
/// unless a gap says so, and once the faults are over the reader has all that there is.
pub fn session(input: &[u8]) {
    let mut input = Unstructured::new(input);
    let Ok(Scenario { stream, steps }) = Scenario::arbitrary(&mut input) else { return };
    let mut host = Host::open(stream);
    for step in steps.into_iter().take(STEPS) {
        host.step(step);
    }
    host.settle();
}
