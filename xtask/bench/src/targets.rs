//! What ssedge is to reach, as ratios to others in the same run, and whether it does.

use crate::figure::Figure;
use crate::load::Load;
use crate::report::Report;
use crate::system::System;

/// A target.
struct Target {
    what: &'static str,
    load: Load,
    figure: Figure,
    /// By whose figure that of ssedge is divided; by 1 if by nobody's.
    by: Option<System>,
    bound: Bound,
}

#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// A target beside what was measured.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub what: String,
    pub target: String,
    pub measured: String,
    pub is_met: bool,
}

const fn at(what: &'static str, load: Load, figure: Figure, by: Option<System>, bound: Bound) -> Target {
    Target { what, load, figure, by, bound }
}

#[rustfmt::skip]
const TARGETS: [Target; 14] = {
    use Bound::{AtLeast, AtMost};
    use Figure::{CpuPerConnect, CpuPerDelivery, CpuPerPost, DeliveriesPerSecond, GrowthMessages, GrowthReaders, KilobytesPerReader, ObjectRequests, P99};
    use Load::{Burst1, Burst16, Connect, Growth, Paced, Post, Storm};
    use System::{Express, HonoDo, JsDoSqlite, JsWs, Nchan};
    [
        at("CPU of a delivery, paced", Paced, CpuPerDelivery, Some(HonoDo), AtMost(0.6)),
        at("p99 of a delivery, paced", Paced, P99, Some(HonoDo), AtMost(0.5)),
        at("deliveries a second, 1 connection", Burst1, DeliveriesPerSecond, Some(HonoDo), AtLeast(10.0)),
        at("deliveries a second, 16 connections", Burst16, DeliveriesPerSecond, Some(HonoDo), AtLeast(20.0)),
        at("deliveries a second, 1 connection", Burst1, DeliveriesPerSecond, Some(Express), AtLeast(3.0)),
        at("deliveries a second, 16 connections", Burst16, DeliveriesPerSecond, Some(Express), AtLeast(3.0)),
        at("deliveries a second, 1 connection", Burst1, DeliveriesPerSecond, Some(Nchan), AtLeast(0.8)),
        at("deliveries a second, 16 connections", Burst16, DeliveriesPerSecond, Some(Nchan), AtLeast(1.2)),
        at("CPU of a reader who comes", Connect, CpuPerConnect, Some(JsWs), AtMost(0.8)),
        at("memory of a reader", Connect, KilobytesPerReader, Some(JsWs), AtMost(1.0)),
        at("CPU of a post", Post, CpuPerPost, Some(JsDoSqlite), AtMost(1.5)),
        at("CPU of a delivery with 16 times the readers", Growth, GrowthReaders, None, AtMost(1.15)),
        at("CPU of a delivery with 8 times the messages", Growth, GrowthMessages, None, AtMost(1.15)),
        // One, and one for each hundred of the thousand readers.
        at("requests to the object when 1,000 come back", Storm, ObjectRequests, None, AtMost(11.0)),
    ]
};

/// The targets that were measured.
pub fn outcomes(report: &Report) -> Vec<Outcome> {
    let median = |target: &Target, system| {
        report.spread(target.load, target.figure, system).map(|spread| spread.median)
    };
    let outcome = |target: &Target| {
        let of_peer = target.by.map_or(Some(1.0), |by| median(target, by))?;
        let measured = median(target, System::Ssedge)? / of_peer;
        let (sign, bound, is_met) = match target.bound {
            Bound::AtMost(bound) => ("≤", bound, measured <= bound),
            Bound::AtLeast(bound) => ("≥", bound, measured >= bound),
        };
        let by = target.by.map(|by| format!(" / {}", by.name())).unwrap_or_default();
        Some(Outcome {
            what: format!("{}{by}", target.what),
            target: format!("{sign} {bound}"),
            measured: Figure::show(measured),
            is_met,
        })
    };
    TARGETS.iter().filter_map(outcome).collect()
}

#[cfg(test)]
mod tests {
    use super::{Outcome, outcomes};
    use crate::report::Report;
    use crate::report::tests::report;

    #[test]
    fn a_target_that_was_measured_is_met_or_not() {
        let [Outcome { what, target, measured, is_met }] = &outcomes(&report())[..] else {
            panic!("one target")
        };
        assert_eq!(what, "p99 of a delivery, paced / hono-do");
        assert_eq!((&**target, &**measured, *is_met), ("≤ 0.5", "0.50", true));
        assert_eq!(outcomes(&Report::default()), []);
    }
}
