//! What a run of all checks says in the end: what each of them printed that is worth reading, and what took the time.

use std::time::Duration;

/// How many of the slowest are listed.
const SLOWEST: usize = 12;
/// What cargo says of its own work.
const CARGO: [&str; 16] = [
    "Adding ",
    "Blocking ",
    "Checking ",
    "Compiling ",
    "Doc-tests ",
    "Documenting ",
    "Downloaded ",
    "Downloading ",
    "Executable ",
    "Finished ",
    "Fresh ",
    "Generated ",
    "Locking ",
    "Replaced ",
    "Running ",
    "Updating ",
];

/// The lines of a log without those that say that all is as it should be: what cargo compiles, and each test that
/// passed. The closing lines of the runners stay.
pub fn worth_reading(log: &str) -> String {
    let is_noise = |line: &&str| {
        let text = line.trim_start();
        let is_passed_test = text.starts_with("test ") && text.ends_with("... ok");
        let is_empty_run =
            text.starts_with("running ") && (text.ends_with(" tests") || text.ends_with(" test"));
        let of_cargo = line.starts_with(' ') && CARGO.iter().any(|word| text.starts_with(word));
        let of_node = text.starts_with('✔') || text.starts_with('▶');
        text.is_empty() || is_passed_test || is_empty_run || of_cargo || of_node
    };
    log.lines().filter(|line| !is_noise(line)).map(|line| format!("{line}\n")).collect()
}

/// The tests that a log tells the time of, with their milliseconds: whole files of libtest, single tests of Node.
pub fn times(log: &str) -> Vec<(String, Duration)> {
    let mut times = Vec::new();
    let mut file = "";
    for line in log.lines().map(str::trim_start) {
        if let Some(rest) = line.strip_prefix("Running ") {
            file = rest.split(" (").next().unwrap_or(rest);
        } else if let Some(rest) = line.strip_prefix("Doc-tests ") {
            file = rest;
        } else if let Some((_, time)) = line.split_once("; finished in ") {
            times.extend(seconds(time, "s").map(|time| (file.to_owned(), time)));
        } else if let Some((name, time)) = line.strip_prefix("✔ ").and_then(|rest| rest.rsplit_once(" (")) {
            times.extend(seconds(time, "ms)").map(|time| (name.to_owned(), time / 1000)));
        }
    }
    times
}

fn seconds(text: &str, unit: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.trim_end().strip_suffix(unit)?.parse().ok()?).ok()
}

/// A table of the slowest, the slowest first.
pub fn slowest(title: &str, mut times: Vec<(String, Duration)>) -> String {
    times.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
    let rows =
        times.iter().take(SLOWEST).map(|(name, time)| format!("{:8.1} s  {name}\n", time.as_secs_f64()));
    format!("\n{title}\n{}", rows.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_it_should_be_is_left_out() {
        let log = "   Compiling ssedge v0.1.0\nwarning: unused\n    Finished `test` profile in 1 s\n\
                   \nrunning 2 tests\ntest a ... ok\ntest b ... FAILED\n\
                   test result: FAILED. 1 passed; 1 failed; finished in 0.1s\n✔ good (3ms)\n✖ bad (4ms)\nℹ pass 1\n";
        assert_eq!(
            worth_reading(log),
            "warning: unused\ntest b ... FAILED\n\
             test result: FAILED. 1 passed; 1 failed; finished in 0.1s\n✖ bad (4ms)\nℹ pass 1\n"
        );
    }

    #[test]
    fn times_are_those_of_files_and_of_tests_in_node() {
        let log = "     Running tests/sim.rs (target/debug/deps/sim-1)\n\
                   test result: ok. 3 passed; 0 failed; finished in 2.50s\n✔ a page (1500.5ms)\n";
        let ms = Duration::from_millis;
        let times = times(log);
        assert_eq!(times[0], ("tests/sim.rs".to_owned(), ms(2500)));
        assert_eq!((times[1].0.as_str(), times[1].1.as_millis()), ("a page", 1500));
        let table = slowest("the slowest", times);
        assert_eq!(table, "\nthe slowest\n     2.5 s  tests/sim.rs\n     1.5 s  a page\n");
    }
}
