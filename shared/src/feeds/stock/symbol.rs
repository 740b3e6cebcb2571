//! The name of a stock.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::MAX_SYMBOL_LEN;

/// What is quoted where `STOCK_SYMBOLS` says nothing: made-up companies.
pub const DEFAULT_SYMBOLS: [&str; 8] = ["ACME", "GLBX", "INTK", "HOOL", "SOYX", "TYRL", "VEHX", "ZORG"];

/// The name of a stock: a capital letter, then capital letters, digits and dots, at most
/// [`MAX_SYMBOL_LEN`] characters in all.
///
/// ```
/// use ssedge::feeds::stock::Symbol;
/// assert_eq!(Symbol::new("BRK.B")?.as_str(), "BRK.B");
/// assert!(Symbol::new("acme").is_err());
/// # Ok::<(), ssedge::feeds::stock::InvalidSymbol>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Symbol(String);

impl Symbol {
    /// Reads a symbol; case is not folded.
    ///
    /// # Errors
    /// [`InvalidSymbol`] if the text does not follow the rule.
    pub fn new(text: &str) -> Result<Self, InvalidSymbol> {
        if valid(text) { Ok(Self(text.to_owned())) } else { Err(InvalidSymbol) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn valid(text: &str) -> bool {
    text.len() <= MAX_SYMBOL_LEN
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'.')
}

/// The text is not a [`Symbol`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a symbol is 1 to {MAX_SYMBOL_LEN} characters: a capital letter A-Z, then capital letters, digits and dots"
)]
pub struct InvalidSymbol;

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Symbol {
    type Error = InvalidSymbol;

    fn try_from(text: String) -> Result<Self, InvalidSymbol> {
        if valid(&text) { Ok(Self(text)) } else { Err(InvalidSymbol) }
    }
}

impl From<Symbol> for String {
    fn from(symbol: Symbol) -> Self {
        symbol.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_rule() {
        for text in DEFAULT_SYMBOLS.into_iter().chain(["A", "A.", "B2B", "BRK.B", "ABCDEFGHIJ"]) {
            assert_eq!(Symbol::new(text).map(String::from).as_deref(), Ok(text));
        }
        for text in ["", ".A", "1A", "a", "Ab", "A B", "A-B", "A\n", "Ä", "AÄ", "A\u{0}", "ABCDEFGHIJK"] {
            assert_eq!(Symbol::new(text), Err(InvalidSymbol), "{text:?}");
        }
    }

    #[test]
    fn the_error_names_the_rule_and_the_limit() {
        let sentence = InvalidSymbol.to_string();
        assert!(sentence.contains("1 to 10 characters"), "{sentence}");
    }

    #[test]
    fn passes_through_json() {
        let symbol: Symbol = serde_json::from_str(r#""ACME""#).unwrap();
        assert_eq!(serde_json::to_string(&symbol).unwrap(), r#""ACME""#);
        assert!(serde_json::from_str::<Symbol>(r#""acme""#).is_err());
    }
}
