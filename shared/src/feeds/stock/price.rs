//! Prices in integer cents: exact from the request to the stream, never a float.

use std::fmt;
use std::ops::Sub;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::value::RawValue;
use thiserror::Error;

use super::MAX_PRICE_CENTS;
use crate::json;

/// A price: 1 to [`MAX_PRICE_CENTS`] cents.
///
/// As text and in JSON it is a decimal number without trailing zeros.
///
/// ```
/// use ssedge::feeds::stock::Price;
/// let price = Price::parse_decimal("189.30")?;
/// assert_eq!(price.cents(), 18_930);
/// assert_eq!(serde_json::to_string(&price).unwrap(), "189.3");
/// # Ok::<(), ssedge::feeds::stock::InvalidPrice>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(i64);

impl Price {
    /// A price of that many cents.
    ///
    /// # Errors
    /// [`InvalidPrice::OutOfRange`] unless it is 1 to [`MAX_PRICE_CENTS`].
    pub const fn from_cents(cents: i64) -> Result<Self, InvalidPrice> {
        if cents >= 1 && cents <= MAX_PRICE_CENTS { Ok(Self(cents)) } else { Err(InvalidPrice::OutOfRange) }
    }

    /// The price nearest to that many cents.
    pub(super) fn nearest_to_cents(cents: i64) -> Self {
        Self(cents.clamp(1, MAX_PRICE_CENTS))
    }

    /// Reads the text of a JSON number digit by digit.
    ///
    /// An exponent is refused: no JSON writer uses one for a number in this range, and without it a
    /// price has one spelling but for zeros at its end.
    ///
    /// # Errors
    /// [`InvalidPrice`] names the rule that the text breaks.
    pub fn parse_decimal(text: &str) -> Result<Self, InvalidPrice> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (number, exponent) = match digits.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, Some(exponent)),
            None => (digits, None),
        };
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let exponent_digits = exponent.map_or("0", |text| text.strip_prefix(['+', '-']).unwrap_or(text));
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if leading_zero || !all_digits(whole) || !all_digits(decimals) || !all_digits(exponent_digits) {
            return Err(InvalidPrice::NotANumber);
        }
        if exponent.is_some() {
            return Err(InvalidPrice::Exponent);
        }
        if decimals.len() > 2 {
            return Err(InvalidPrice::TooManyDecimals);
        }
        if negative {
            return Err(InvalidPrice::OutOfRange);
        }
        format!("{whole}{decimals:0<2}").parse().map_or(Err(InvalidPrice::OutOfRange), Self::from_cents)
    }

    /// The price in cents.
    #[must_use]
    pub const fn cents(self) -> i64 {
        self.0
    }
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The text or number is not a [`Price`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidPrice {
    /// Not by the grammar of RFC 8259 § 6.
    #[error("a price is a JSON number such as 189.34")]
    NotANumber,
    /// A number such as `1e2`.
    #[error("a price is written without an exponent")]
    Exponent,
    /// A number such as `0.001`, or `1.500`.
    #[error("a price has at most 2 decimals")]
    TooManyDecimals,
    /// Zero, negative, or too much.
    #[error("a price is 0.01 to {}", Price(MAX_PRICE_CENTS))]
    OutOfRange,
}

/// By how much a price has changed, in cents; may be negative or zero.
///
/// As text and in JSON it looks like a [`Price`] with a sign: `-0.12`, `0`, `3.5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Change(i64);

impl Change {
    /// The change in cents.
    #[must_use]
    pub const fn cents(self) -> i64 {
        self.0
    }
}

/// `now - before` is the change from `before` to `now`.
impl Sub for Price {
    type Output = Change;

    fn sub(self, before: Self) -> Change {
        Change(self.0 - before.0)
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&json::hundredths(self.0))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&json::hundredths(self.0))
    }
}

/// Writes the digits themselves, so none of them passes through a float.
fn serialize_decimal<S: Serializer>(decimal: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    RawValue::from_string(decimal.to_string()).map_err(ser::Error::custom)?.serialize(serializer)
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_decimal(self, serializer)
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_decimal(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse_decimal(Box::<RawValue>::deserialize(deserializer)?.get()).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_exactly() {
        for (text, cents) in [
            ("189.34", 18_934),
            ("189.3", 18_930),
            ("189", 18_900),
            ("189.00", 18_900),
            ("0.01", 1),
            ("0.1", 10),
            ("1.15", 115),
            ("9007199254740.99", 900_719_925_474_099),
            ("9999999999999.99", MAX_PRICE_CENTS),
        ] {
            assert_eq!(Price::parse_decimal(text).map(Price::cents), Ok(cents), "{text}");
        }
    }

    #[test]
    fn names_the_rule_that_a_text_breaks() {
        use InvalidPrice::{Exponent, NotANumber, OutOfRange, TooManyDecimals};
        let endless = "9".repeat(10_000);
        for (text, why) in [
            ("", NotANumber),
            ("-", NotANumber),
            (".", NotANumber),
            (".5", NotANumber),
            ("1.", NotANumber),
            ("+1", NotANumber),
            ("--1", NotANumber),
            ("01", NotANumber),
            ("1.2.3", NotANumber),
            ("1,5", NotANumber),
            (" 1", NotANumber),
            ("1\n", NotANumber),
            ("0x1", NotANumber),
            ("NaN", NotANumber),
            ("Infinity", NotANumber),
            ("١", NotANumber),
            ("1e", NotANumber),
            ("e2", NotANumber),
            ("1e2.5", NotANumber),
            ("1e2", Exponent),
            ("1E-2", Exponent),
            ("-1e+2", Exponent),
            ("0.001", TooManyDecimals),
            ("1.500", TooManyDecimals),
            ("0", OutOfRange),
            ("0.00", OutOfRange),
            ("-0.01", OutOfRange),
            ("-189.34", OutOfRange),
            ("10000000000000", OutOfRange),
            ("92233720368547758.08", OutOfRange),
            (&endless, OutOfRange),
        ] {
            assert_eq!(Price::parse_decimal(text), Err(why), "{text:.40}");
        }
        assert_eq!(OutOfRange.to_string(), "a price is 0.01 to 9999999999999.99");
    }

    #[test]
    fn is_a_json_number_without_trailing_zeros() {
        for (cents, json) in [(18_934, "189.34"), (18_930, "189.3"), (18_900, "189"), (5, "0.05")] {
            let price = Price::from_cents(cents).unwrap();
            assert_eq!(serde_json::to_string(&price).unwrap(), json);
            assert_eq!(serde_json::from_str::<Price>(json).unwrap(), price);
            assert_eq!(serde_json::to_value(price).unwrap().to_string(), json);
        }
        let private =
            [r#"{"$serde_json::private::Number":"1"}"#, r#"{"$serde_json::private::RawValue":"1"}"#];
        for json in private.into_iter().chain([r#""189.34""#, "null", "1e2", "1E2", "0", "1.234", "{}"]) {
            assert!(serde_json::from_str::<Price>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_change_has_a_sign() {
        let [low, high] = [18_922, 18_934].map(|cents| Price::from_cents(cents).unwrap());
        for (change, json) in [(low - high, "-0.12"), (high - low, "0.12"), (low - low, "0")] {
            assert_eq!(serde_json::to_string(&change).unwrap(), json);
        }
        let [least, most] = [1, MAX_PRICE_CENTS].map(|cents| Price::from_cents(cents).unwrap());
        assert_eq!((least - most).to_string(), "-9999999999999.98");
    }

    #[test]
    fn a_double_keeps_every_digit() {
        for cents in [1, 18_934, MAX_PRICE_CENTS - 1, MAX_PRICE_CENTS] {
            let text = Price::from_cents(cents).unwrap().to_string();
            assert_eq!(text.parse::<f64>().unwrap().to_string(), text);
        }
    }
}
