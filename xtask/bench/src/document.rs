//! BENCHMARKS.md and its pictures, written of what was measured.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};

use crate::figure::Figure;
use crate::load::{Load, Size};
use crate::picture;
use crate::report::Report;
use crate::system::System;
use crate::targets;

/// What was measured, a line of JSON for each figure.
const RECORD: &str = "xtask/bench/results.jsonl";
const DOCUMENT: &str = "BENCHMARKS.md";
/// What is drawn, and under what title.
const PICTURES: [(&str, Load, Figure, &str); 3] = [
    (
        "docs/bench-burst.svg",
        Load::Burst16,
        Figure::DeliveriesPerSecond,
        "Deliveries a second to 500 readers (more is better)",
    ),
    (
        "docs/bench-cpu.svg",
        Load::Paced,
        Figure::CpuPerDelivery,
        "CPU of a delivery in µs, 500 readers, 20 messages a second (less is better)",
    ),
    ("docs/bench-p99.svg", Load::Paced, Figure::P99, "p99 of a delivery in ms, the same (less is better)"),
];

/// What was recorded before.
pub fn recorded() -> Report {
    fs::read_to_string(RECORD).map(|lines| Report::read(&lines)).unwrap_or_default()
}

/// Writes all that is in the report.
///
/// # Errors
/// When a file cannot be written, or a picture cannot be drawn.
pub fn write(report: &Report) -> Result<()> {
    let save = |path: &str, text: &str| fs::write(path, text).with_context(|| format!("cannot write {path}"));
    save(RECORD, &report.record())?;
    for (path, load, figure, title) in drawn(report) {
        save(path, &picture::bars(report, load, figure, title)?)?;
    }
    save(DOCUMENT, &document(report))
}

/// The pictures whose figures were measured.
fn drawn(report: &Report) -> impl Iterator<Item = (&'static str, Load, Figure, &'static str)> {
    PICTURES.into_iter().filter(|(_, load, figure, _)| report.figures(*load).contains(figure))
}

fn document(report: &Report) -> String {
    let mut text = String::from(HEAD);
    for (path, _, _, title) in drawn(report) {
        let _ = writeln!(text, "![{title}]({path})\n");
    }
    text.push_str("## Targets\nWhat the project wants to reach, as the median of ssedge by that of the other in the same run.\n\n");
    text.push_str("| what | target | measured | met |\n|---|---|---|---|\n");
    for outcome in targets::outcomes(report) {
        let met = if outcome.is_met { "yes" } else { "no" };
        let _ = writeln!(text, "| {} | {} | {} | {met} |", outcome.what, outcome.target, outcome.measured);
    }
    text.push_str("\n## Loads\n");
    text.push_str(LOADS);
    let (measured, absent): (Vec<_>, Vec<_>) =
        Load::ALL.into_iter().partition(|load| !report.figures(*load).is_empty());
    for load in measured {
        section(&mut text, report, load);
    }
    if !absent.is_empty() {
        let names: Vec<_> = absent.iter().map(|load| format!("`{}`", load.name())).collect();
        let _ = writeln!(text, "\nNot measured yet, but by name with `--load`: {}.", names.join(", "));
    }
    text
}

/// A load: what it is, when and where it was measured, and its figures.
fn section(text: &mut String, report: &Report, load: Load) {
    let said = |key: &str| report.circumstances(load).map(|all| all[key].clone()).unwrap_or_default();
    let word = |key: &str| said(key).as_str().unwrap_or_default().to_owned();
    let _ = writeln!(text, "\n### {}\n{}.\n", load.name(), load.describe(Size::Full));
    let figures = report.figures(load);
    let heads: String = figures.iter().map(|figure| format!(" `{}` |", figure.name())).collect();
    let _ = writeln!(text, "| system | stores |{heads}\n|---|---|{}", "---|".repeat(figures.len()));
    for system in report.systems(load) {
        let stores = if system.stores() { "yes" } else { "no" };
        let _ = write!(text, "| {} | {stores} |", system.name());
        for figure in &figures {
            let cell = report.spread(load, *figure, system).map_or("–".to_owned(), |spread| {
                let [median, min, max] = [spread.median, spread.min, spread.max].map(Figure::show);
                let first =
                    report.spread(load, *figure, System::Ssedge).map(|ssedge| ssedge.median / spread.median);
                let ratio = first.filter(|ratio| system != System::Ssedge && ratio.is_finite());
                let ratio = ratio.map(|ratio| format!(" · **{}**", Figure::show(ratio))).unwrap_or_default();
                format!("{median} ({min}–{max}){ratio}")
            });
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "\n{} runs of each, on {}, {}: {}.",
        said("runs"),
        word("date"),
        word("machine"),
        word("versions")
    );
}

const HEAD: &str = "# Benchmarks
What ssedge takes of a machine on the Worker's side, beside what does the same job. `cargo xtask bench` measures all of them in one run, and writes this file. `cargo xtask bench --load quick` takes two minutes and prints a table. `--load NAME` measures one load anew, `--only SYSTEM,…` some systems, and `--json` prints a line for each figure.

";

const LOADS: &str = "A cell is the median of all runs, in brackets the least and the most, and behind it in bold the median of ssedge by that of this system. *Stores* says whether a message is stored before its sender is answered: what stores does more.

- **One load generator** in Rust makes all readers and posts: one process, plain HTTP/1.1 on 127.0.0.1. A message carries the time when it was sent, so a latency is from the post to the reader.
- **A run is on a server of its own**, warmed up by 50 readers and 100 messages. Runs are interleaved: the first of each system, then the second of each. How many there were stands below each load. The machine is noisy, so ratios say more than figures.
- **CPU** is user and system time of the server's processes (of workerd itself, not of what starts it), **memory** is what is resident of them.
- **Workers** run in workerd through miniflare, on a socket that leads to the Worker itself, ssedge as it is deployed. Each peer is written as its own documents advise, in [`xtask/bench/peers/`](xtask/bench/peers/), at the version in [`package.json`](xtask/bench/package.json).
- `hono-do` is Hono's `streamSSE` in a Durable Object, `js-do` the same in plain JavaScript, `js-do-sqlite` with an INSERT for each post. In `js-ws` the Worker holds the streams, and each has a WebSocket from the object, which may sleep. `express` is the array of responses of most tutorials. `nchan` is a module of nginx, measured if Debian's package `libnginx-mod-nchan` is installed.
";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{DOCUMENT, RECORD, document};
    use crate::report::Report;
    use crate::report::tests::report;

    /// Nobody has changed a figure by hand, and what is said around the figures is what is said here.
    #[test]
    fn the_document_is_what_was_recorded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let [record, written] = [RECORD, DOCUMENT].map(|path| fs::read_to_string(root.join(path)).unwrap());
        assert_eq!(
            written,
            document(&Report::read(&record)),
            "`cargo xtask bench --load NAME` writes it anew"
        );
    }

    #[test]
    fn the_document_has_each_load_that_was_measured() {
        let text = document(&report());
        assert!(text.contains("| p99 of a delivery, paced / hono-do | ≤ 0.5 | 0.50 | yes |"), "{text}");
        assert!(text.contains("| system | stores | `p50_ms` | `p99_ms` |\n|---|---|---|---|\n"), "{text}");
        assert!(text.contains("| hono-do | no | – | 4.00 (2.00–6.00) · **0.50** |"), "{text}");
        assert!(text.contains("3 runs of each, on 2026-11-28, M: V."), "{text}");
        assert!(!text.contains("### connect") && text.contains("`--load`: `connect`, `burst-1`"), "{text}");
    }
}
