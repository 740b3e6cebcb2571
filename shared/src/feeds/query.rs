//! Query parameters, each with its rule.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::limits::{ECHO_CHARS, INTERVAL_DEFAULT_MS, INTERVAL_MS};
use crate::problem::Problem;

/// The cursor: a polyfill that comes back appends it to a URL that may have one, so the last one counts.
const CURSOR: &str = "lastEventId";

/// A decoded query string. Unknown parameters are ignored.
#[derive(Clone, Debug)]
pub struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Decodes by the WHATWG URL standard, which takes any text.
    #[must_use]
    pub fn new(query: Option<&'a str>) -> Self {
        Self(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).collect())
    }

    /// Sees that nothing but lists and cursors is given twice: two readers could each take another one.
    ///
    /// # Errors
    /// [`Problem::Repeated`].
    pub(crate) fn check(&self, is_list: impl Fn(&str) -> bool) -> Result<(), Problem> {
        let mut seen = BTreeSet::new();
        let mut names = self.0.iter().map(|(name, _)| &**name);
        let may_repeat = |name: &str| is_list(name) || name == CURSOR;
        match names.find(|name| !may_repeat(name) && !seen.insert(*name)) {
            Some(name) => Err(Problem::Repeated(name.chars().take(ECHO_CHARS).collect())),
            None => Ok(()),
        }
    }

    fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// The value of the parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The cursor: the last one that is not empty.
    pub(crate) fn cursor(&self) -> Option<&str> {
        self.all(CURSOR).rfind(|cursor| !cursor.is_empty())
    }

    /// A whole number in a range.
    ///
    /// # Errors
    /// [`Problem::Invalid`].
    pub fn number(
        &self,
        name: &'static str,
        range: &RangeInclusive<u32>,
        default: u32,
    ) -> Result<u32, Problem> {
        self.get(name).map_or(Ok(default), |text| {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|n| digits && range.contains(n)).ok_or_else(|| {
                let rule = format!("must be a whole number from {} to {}", range.start(), range.end());
                Problem::Invalid { field: name, rule }
            })
        })
    }

    /// One of some words; the first is the default.
    ///
    /// # Errors
    /// [`Problem::Invalid`].
    pub fn word<T: Copy>(&self, name: &'static str, words: &[(&str, T)]) -> Result<T, Problem> {
        let Some(text) = self.get(name) else { return Ok(words[0].1) };
        words.iter().find(|(word, _)| *word == text).map(|(_, meant)| *meant).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            Problem::Invalid { field: name, rule: format!("must be {}", words.join(" or ")) }
        })
    }

    /// Whether something is wished: `1` if so.
    ///
    /// # Errors
    /// [`Problem::Invalid`].
    pub fn flag(&self, name: &'static str) -> Result<bool, Problem> {
        self.word(name, &[("0", false), ("1", true)])
    }

    /// The time between two ticks; `None` for the word `off`, if that is allowed.
    ///
    /// # Errors
    /// [`Problem::Invalid`].
    pub fn interval(&self, name: &'static str, may_be_off: bool) -> Result<Option<Duration>, Problem> {
        match self.get(name) {
            Some("off") if may_be_off => Ok(None),
            None => Ok(Some(Duration::from_millis(INTERVAL_DEFAULT_MS))),
            Some(text) => {
                let ms = text.parse().ok().filter(|ms| !text.starts_with('+') && INTERVAL_MS.contains(ms));
                let off = if may_be_off { ", or off" } else { "" };
                let (low, high) = (INTERVAL_MS.start(), INTERVAL_MS.end());
                ms.map(|ms| Some(Duration::from_millis(ms))).ok_or_else(|| Problem::Invalid {
                    field: name,
                    rule: format!("must be milliseconds from {low} to {high}{off}"),
                })
            }
        }
    }

    /// A comma-separated list of 1 to `max` items, each kept once; `None` if the parameter is absent. If it is
    /// given several times, the lists are joined.
    ///
    /// # Errors
    /// [`Problem::Invalid`] for a bad item or too many.
    pub fn list<T: PartialEq, E: Display>(
        &self,
        name: &'static str,
        max: usize,
        item: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<Vec<T>>, Problem> {
        if self.get(name).is_none() {
            return Ok(None);
        }
        let mut items = Vec::new();
        for (nth, part) in self.all(name).flat_map(|text| text.split(',')).enumerate() {
            if nth == max {
                return Err(Problem::Invalid { field: name, rule: format!("must be at most {max} items") });
            }
            let item =
                item(part).map_err(|e| Problem::Invalid { field: name, rule: format!("each item {e}") })?;
            if !items.contains(&item) {
                items.push(item);
            }
        }
        Ok(Some(items))
    }
}
