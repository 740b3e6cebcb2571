//! Which representation a client accepts (RFC 9110 § 12.5.1).

/// The two representations of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Representation {
    /// `text/event-stream`.
    Stream,
    /// `application/json`.
    Snapshot,
}

/// Chooses by q-value; a tie is a stream, and so is an absent header. `None` where neither is accepted.
#[must_use]
pub fn negotiate(accept: Option<&str>) -> Option<Representation> {
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else {
        return Some(Representation::Stream);
    };
    let stream = quality(accept, "text", "event-stream");
    let snapshot = quality(accept, "application", "json");
    match (stream, snapshot) {
        (0, 0) => None,
        _ if stream >= snapshot => Some(Representation::Stream),
        _ => Some(Representation::Snapshot),
    }
}

/// The q-value, in thousandths, of the most specific range that matches; 0 if none does.
fn quality(accept: &str, kind: &str, subtype: &str) -> u16 {
    let ranges = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let range = parts.next()?;
        // Old Java sends `*` alone, for any.
        let (k, s) = if range == "*" { ("*", "*") } else { range.split_once('/')? };
        let specificity = match (k, s) {
            ("*", "*") => 0,
            (k, "*") if k.eq_ignore_ascii_case(kind) => 1,
            (k, s) if k.eq_ignore_ascii_case(kind) && s.eq_ignore_ascii_case(subtype) => 2,
            _ => return None,
        };
        let q = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Some((specificity, q.map_or(Some(1_000), thousandths)?))
    });
    ranges.max().map_or(0, |(_, q)| q)
}

/// Reads a `qvalue`: `0` to `1` with at most three decimals; as old Java writes it also without the zero, as in `.2`.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let well_formed = decimals.len() <= 3 && decimals.bytes().all(|b| b.is_ascii_digit());
    let decimals: u16 = well_formed.then(|| format!("{decimals:0<3}").parse().ok())??;
    match whole {
        "0" => Some(decimals),
        "" if text.len() > 1 => Some(decimals),
        "1" if decimals == 0 => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Representation::{Snapshot, Stream};
    use super::*;

    #[track_caller]
    fn check(accept: &str, expected: Option<Representation>) {
        assert_eq!(negotiate(Some(accept)), expected, "{accept:?}");
    }

    #[test]
    fn q_values_decide_and_a_tie_is_a_stream() {
        assert_eq!(negotiate(None), Some(Stream));
        check("", Some(Stream));
        check("*/*", Some(Stream));
        check("text/*", Some(Stream));
        check("Text/Event-Stream", Some(Stream));
        check("application/json", Some(Snapshot));
        check("application/*", Some(Snapshot));
        check("application/json, text/event-stream", Some(Stream));
        check("application/json, text/event-stream;q=0.9", Some(Snapshot));
        check("application/json;q=0.5, */*;q=0.1", Some(Snapshot));
        check("application/json;q=0.1, */*", Some(Stream));
        check("text/event-stream;q=0, */*", Some(Snapshot));
        check("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Some(Stream));
    }

    #[test]
    fn sloppy_ranges_mean_what_they_say() {
        // What Java 8 to 18 send where nothing is said.
        check("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", Some(Stream));
        check("*", Some(Stream));
        check("*;q=.2", Some(Stream));
        check("application/json, *;q=.2", Some(Snapshot));
        check("application/json;q=.125, *;q=.25", Some(Stream));
        check("*;q=0", None);
        check("*;q=.", None);
        check("*/json", None);
    }

    #[test]
    fn neither_is_none() {
        check("text/html", None);
        check("text/event-stream;q=0", None);
        check("image/*, application/xml", None);
        check("nonsense", None);
        check("*/*;q=0", None);
    }

    #[test]
    fn a_bad_q_value_voids_its_range() {
        check("application/json;q=2, text/event-stream;q=0.001", Some(Stream));
        check("text/event-stream;q=abc", None);
        check("application/json;q=1.0000", None);
    }
}
