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

/// All runs of some loads.
#[derive(Debug, Default)]
pub struct Report {
    runs: BTreeMap<(Load, Figure, System), Vec<f64>>,
}

impl Report {
    pub fn add(&mut self, load: Load, system: System, figures: &[(Figure, f64)]) {
        for (figure, value) in figures {
            self.runs.entry((load, *figure, system)).or_default().push(*value);
        }
    }

    pub fn spread(&self, load: Load, figure: Figure, system: System) -> Option<Spread> {
        Spread::of(self.runs.get(&(load, figure, system))?)
    }

    /// A line for each figure of each system.
    pub fn lines(&self) -> Vec<Value> {
        let line = |(load, figure, system): &(Load, Figure, System), spread: Spread| {
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
        self.runs.iter().filter_map(|(key, runs)| Some(line(key, Spread::of(runs)?))).collect()
    }

    /// The figures of a load, each system beside the others, with a bar for its median.
    pub fn table(&self, load: Load) -> String {
        let mut table = String::new();
        let mut figures: Vec<_> =
            self.runs.keys().filter(|(of, ..)| *of == load).map(|(_, figure, _)| *figure).collect();
        figures.dedup();
        for figure in figures {
            let of = |system: System| Some((system, self.spread(load, figure, system)?));
            let rows: Vec<_> = System::ALL.into_iter().filter_map(of).collect();
            let most = rows.iter().map(|(_, spread)| spread.median).fold(f64::MIN_POSITIVE, f64::max);
            let first = rows.first().map_or(1.0, |(_, spread)| spread.median);
            let _ = writeln!(table, "{} {}", load.name(), figure.name());
            for (system, Spread { median, min, max }) in &rows {
                let (name, [median_shown, min, max]) =
                    (system.name(), [*median, *min, *max].map(Figure::show));
                let ratio = Figure::show(first / median);
                let bar = bar(median / most);
                let _ = writeln!(
                    table,
                    "  {name:<13}{median_shown:>10}  {min:>9} – {max:<9}  {ratio:>6}×  {bar}"
                );
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
mod tests {
    use super::{Report, bar};
    use crate::figure::Figure;
    use crate::load::Load;
    use crate::system::System;

    fn report() -> Report {
        let mut report = Report::default();
        for value in [3.0, 1.0, 2.0] {
            report.add(Load::Paced, System::Ssedge, &[(Figure::P99, value), (Figure::P50, 0.5)]);
            report.add(Load::Paced, System::HonoDo, &[(Figure::P99, value * 2.0)]);
        }
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
