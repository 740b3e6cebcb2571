//! What has been measured, as lines of JSON and as tables in the terminal.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::figure::Figure;
use crate::load::Load;
use crate::stats::Spread;
use crate::system::System;

/// Characters of the longest bar.
const BAR: f64 = 24.0;

/// The figures of some loads, and in what circumstances each load was measured.
#[derive(Debug, Default)]
pub struct Report {
    figures: BTreeMap<(Load, Figure, System), Spread>,
    circumstances: BTreeMap<Load, Value>,
}

impl Report {
    /// Puts a load in the place of what was measured of it before.
    pub fn put(&mut self, load: Load, circumstances: Value, runs: &BTreeMap<(Figure, System), Vec<f64>>) {
        self.figures.retain(|(of, ..), _| *of != load);
        let spreads = runs.iter().filter_map(|(key, runs)| Some((key, Spread::of(runs)?)));
        self.figures.extend(spreads.map(|((figure, system), spread)| ((load, *figure, *system), spread)));
        self.circumstances.insert(load, circumstances);
    }

    /// Reads [`Self::lines`]. What is not known any more is passed over.
    pub fn read(lines: &str) -> Self {
        let mut report = Self::default();
        for line in lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let is = |name: &'static str, key: &str| line[key].as_str() == Some(name);
            let Some(load) = Load::ALL.into_iter().find(|load| is(load.name(), "load")) else { continue };
            let figure = Figure::ALL.into_iter().find(|figure| is(figure.name(), "figure"));
            let system = System::ALL.into_iter().find(|system| is(system.name(), "system"));
            let number = |key: &str| line[key].as_f64();
            let spread =
                || Some(Spread { median: number("median")?, min: number("min")?, max: number("max")? });
            if let (Some(figure), Some(system), Some(spread)) = (figure, system, spread()) {
                report.figures.insert((load, figure, system), spread);
            } else if line.get("runs").is_some() {
                report.circumstances.insert(load, line);
            }
        }
        report
    }

    pub fn spread(&self, load: Load, figure: Figure, system: System) -> Option<Spread> {
        self.figures.get(&(load, figure, system)).copied()
    }

    /// The runs of a load, when they were, and of which versions on which machine.
    pub fn circumstances(&self, load: Load) -> Option<&Value> {
        self.circumstances.get(&load)
    }

    /// The figures that a load has, in their order.
    pub fn figures(&self, load: Load) -> Vec<Figure> {
        let mut figures: Vec<_> =
            self.figures.keys().filter(|(of, ..)| *of == load).map(|(_, figure, _)| *figure).collect();
        figures.dedup();
        figures
    }

    /// The systems that a load was measured with, in their order.
    pub fn systems(&self, load: Load) -> Vec<System> {
        let has = |system: &System| self.figures.keys().any(|(of, _, by)| *of == load && by == system);
        System::ALL.into_iter().filter(has).collect()
    }

    /// A line for each figure of each system.
    pub fn lines(&self) -> Vec<Value> {
        let line = |((load, figure, system), spread): (&(Load, Figure, System), &Spread)| {
            let round = |value: f64| (value * 1_000.0).round() / 1_000.0;
            json!({
                "load": load.name(),
                "system": system.name(),
                "figure": figure.name(),
                "median": round(spread.median),
                "min": round(spread.min),
                "max": round(spread.max),
            })
        };
        self.figures.iter().map(line).collect()
    }

    /// The same, with a line for the circumstances of each load.
    pub fn record(&self) -> String {
        let lines = self.circumstances.values().cloned().chain(self.lines());
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// The figures of a load, each system beside the others, with a bar for its median.
    pub fn table(&self, load: Load) -> String {
        let mut table = String::new();
        for figure in self.figures(load) {
            let of = |system: System| Some((system, self.spread(load, figure, system)?));
            let rows: Vec<_> = System::ALL.into_iter().filter_map(of).collect();
            let most = rows.iter().map(|(_, spread)| spread.median).fold(f64::MIN_POSITIVE, f64::max);
            let _ = writeln!(table, "{} {}", load.name(), figure.name());
            for (system, spread) in &rows {
                let [median, min, max] = [spread.median, spread.min, spread.max].map(Figure::show);
                let ratio = rows.first().map_or(1.0, |(_, first)| first.median) / spread.median;
                let ratio =
                    if ratio.is_finite() { format!("{}×", Figure::show(ratio)) } else { "–".to_owned() };
                let (name, bar) = (system.name(), bar(spread.median / most));
                let _ = writeln!(table, "  {name:<13}{median:>10}  {min:>9} – {max:<9}  {ratio:>7}  {bar}");
            }
        }
        table
    }
}

/// A bar of blocks, to an eighth of a character.
fn bar(part: f64) -> String {
    const EIGHTHS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few characters")]
    let eighths = (part.clamp(0.0, 1.0) * BAR * 8.0).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    bar.extend((eighths % 8).checked_sub(1).and_then(|last| EIGHTHS.get(last)));
    bar
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::{Report, bar};
    use crate::figure::Figure;
    use crate::load::Load;
    use crate::system::System;

    /// A report of one load: ssedge takes half of what hono-do takes.
    pub fn report() -> Report {
        let mut report = Report::default();
        let runs = BTreeMap::from([
            ((Figure::P50, System::Ssedge), vec![0.5]),
            ((Figure::P99, System::Ssedge), vec![3.0, 1.0, 2.0]),
            ((Figure::P99, System::HonoDo), vec![6.0, 2.0, 4.0]),
        ]);
        let circumstances =
            json!({ "load": "paced", "runs": 3, "date": "2026-11-28", "machine": "M", "versions": "V" });
        report.put(Load::Paced, circumstances, &runs);
        report
    }

    #[test]
    fn a_line_has_a_figure_of_a_system() {
        let lines: Vec<_> = report().lines().iter().map(ToString::to_string).collect();
        let line =
            r#"{"figure":"p99_ms","load":"paced","max":6.0,"median":4.0,"min":2.0,"system":"hono-do"}"#;
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[2], line);
    }

    #[test]
    fn what_is_recorded_is_read_again() {
        let record = report().record();
        assert_eq!(Report::read(&record).record(), record);
        assert_eq!(record.lines().count(), 4);
        assert_eq!(Report::read("none\n{\"load\":\"forgotten\"}\n").record(), "");
    }

    #[test]
    fn a_load_takes_the_place_of_what_was_measured_of_it_before() {
        let mut report = report();
        report.put(Load::Paced, json!({}), &BTreeMap::from([((Figure::P50, System::JsDo), vec![1.0])]));
        assert_eq!(report.systems(Load::Paced), [System::JsDo]);
    }

    #[test]
    fn a_table_compares_what_was_measured() {
        let table = report().table(Load::Paced);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 5, "{table}");
        assert_eq!(lines[3], "  ssedge             2.00       1.00 – 3.00         1.00×  ████████████");
        assert!(lines[4].contains("0.50×") && lines[4].ends_with(&"█".repeat(24)), "{table}");
        assert_eq!(report().table(Load::Post), "");
    }

    #[test]
    fn a_bar_is_as_long_as_its_part() {
        assert_eq!(bar(0.0), "");
        assert_eq!(bar(1.0).chars().count(), 24);
        assert_eq!(bar(1.5 / 24.0), "█▌");
        assert_eq!(bar(f64::NAN), "");
    }
}
