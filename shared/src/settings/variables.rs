//! The environment, and the rules by which values are read from it.

use std::ops::RangeInclusive;

/// The environment: answers a variable by its name.
pub struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

/// A setting has a bad value. The sentence names the setting and the rule, and never shows the value: it may be
/// a secret in the wrong place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the setting {name} is bad: it {rule}")]
pub struct BadSetting {
    /// The variable.
    pub name: &'static str,
    /// What it must be.
    pub rule: String,
}

impl BadSetting {
    /// The setting of this name does not keep this rule, such as `must be a URL`.
    pub fn new(name: &'static str, rule: impl Into<String>) -> Self {
        Self { name, rule: rule.into() }
    }
}

impl<'a> Variables<'a> {
    /// Those that `lookup` knows.
    #[must_use]
    pub const fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self(lookup)
    }

    /// The value as it is, also if it is empty.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<String> {
        self.0(name)
    }

    /// The value without white space around it. An empty one is as good as none, because templates pass empty
    /// parameters.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.raw(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A whole number in a range.
    ///
    /// # Errors
    /// [`BadSetting`] for anything else.
    pub fn number(
        &self,
        name: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Result<u64, BadSetting> {
        let Some(text) = self.text(name) else { return Ok(default) };
        text.parse().ok().filter(|n| range.contains(n)).ok_or_else(|| {
            BadSetting::new(name, format!("must be a whole number from {} to {}", range.start(), range.end()))
        })
    }

    /// One of some words; the first is the default.
    ///
    /// # Errors
    /// [`BadSetting`] for any other word.
    pub fn choice<T: Copy>(&self, name: &'static str, choices: &[(&str, T)]) -> Result<T, BadSetting> {
        let Some(text) = self.text(name) else { return Ok(choices[0].1) };
        choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            BadSetting::new(name, format!("must be one of {}", words.join(", ")))
        })
    }
}
