//! Quotes as text: `symbol,price` in each line.
//!
//! Neither a symbol nor a price can have a comma, a quotation mark or a line break in it, so this needs no reader of all
//! of CSV. What spreadsheets write around a value is taken off: spaces and one pair of quotation marks.

use std::io::{BufRead, Read};

use anyhow::{Context, Error, Result, bail};
use serde::Serialize;
use ssedge::feeds::stock::{Price, Symbol};

/// Bytes that a line may have: many times what a symbol and a price take. It bounds what is kept of a file that has no
/// lines at all.
const LINE_BYTES: u64 = 1024;
/// What a program may write before the first line of a file, to say that it is UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';
/// The names of the columns, which may stand in a first line.
const HEADER: [&str; 2] = ["symbol", "price"];

/// A quote as it is posted.
#[derive(Debug, PartialEq, Serialize)]
pub struct Quote {
    pub symbol: Symbol,
    pub price: Price,
}

/// A quote, and the number of its line, from 1.
#[derive(Debug, PartialEq)]
pub struct Line {
    pub number: u64,
    pub quote: Quote,
}

/// The quotes of a text, each as soon as its line is there. Empty lines and a header are left out.
pub struct Lines<R> {
    input: R,
    number: u64,
    /// Whether the next line may be the header.
    is_first: bool,
}

impl<R: BufRead> Lines<R> {
    pub const fn new(input: R) -> Self {
        Self { input, number: 0, is_first: true }
    }

    /// The next line without what ends it; `None` at the end.
    fn line(&mut self) -> Result<Option<String>> {
        let mut line = Vec::new();
        self.number += 1;
        let read = self.input.by_ref().take(LINE_BYTES + 1).read_until(b'\n', &mut line);
        match read.with_context(|| format!("line {} cannot be read", self.number))? {
            0 => return Ok(None),
            n if n as u64 > LINE_BYTES => bail!("line {} has more than {LINE_BYTES} bytes", self.number),
            _ => {}
        }
        let line = String::from_utf8(line);
        line.map(Some).map_err(|_| Error::msg(format!("line {} is not UTF-8", self.number)))
    }

    fn next_quote(&mut self) -> Result<Option<Line>> {
        while let Some(line) = self.line()? {
            let line = if self.number == 1 { line.trim_start_matches(BYTE_ORDER_MARK) } else { &line };
            if line.trim().is_empty() {
                continue;
            }
            let fields: Vec<_> = line.split(',').map(bare).collect();
            let is_header = fields.iter().map(|field| field.to_ascii_lowercase()).eq(HEADER);
            if std::mem::take(&mut self.is_first) && is_header {
                continue;
            }
            let number = self.number;
            let [symbol, price] = fields[..] else {
                bail!("line {number} has another form than symbol,price, as in ACME,189.34");
            };
            let symbol = Symbol::new(symbol).with_context(|| format!("line {number}, symbol"))?;
            let price = Price::parse_decimal(price).with_context(|| format!("line {number}, price"))?;
            return Ok(Some(Line { number, quote: Quote { symbol, price } }));
        }
        Ok(None)
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_quote().transpose()
    }
}

/// A value without what a spreadsheet writes around it.
fn bare(field: &str) -> &str {
    let field = field.trim();
    field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map_or(field, str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read until the end or the first error.
    fn read(text: &[u8]) -> (Vec<(u64, String)>, Option<String>) {
        let mut read = Vec::new();
        for line in Lines::new(text) {
            match line {
                Ok(Line { number, quote }) => read.push((number, serde_json::to_string(&quote).unwrap())),
                Err(error) => return (read, Some(format!("{error:#}"))),
            }
        }
        (read, None)
    }

    #[track_caller]
    fn check(text: &str, lines: &[(u64, &str, &str)]) {
        let expected = lines
            .iter()
            .map(|(number, symbol, price)| (*number, format!(r#"{{"symbol":"{symbol}","price":{price}}}"#)));
        assert_eq!(read(text.as_bytes()), (expected.collect(), None));
    }

    #[test]
    fn a_line_is_a_symbol_and_a_price() {
        check("ACME,189.34\nB.C,7\n", &[(1, "ACME", "189.34"), (2, "B.C", "7")]);
        check("ACME,1.5", &[(1, "ACME", "1.5")]);
        check("", &[]);
    }

    #[test]
    fn what_spreadsheets_write_is_read() {
        check(
            "\u{feff}\"Symbol\" , Price\r\n\r\n \"ACME\",\" 2 \"\r\n  \nGLBX , 3\r\n",
            &[(3, "ACME", "2"), (5, "GLBX", "3")],
        );
        check("\nsymbol,price\nACME,1\n", &[(3, "ACME", "1")]);
    }

    #[test]
    fn a_bad_line_is_named_with_its_field_and_what_is_before_it_is_read() {
        let long = format!("ACME,{}", "1".repeat(1_020));
        for (line, says) in [
            ("acme,1", "line 2, symbol: "),
            ("ACME,1.234", "line 2, price: "),
            ("ACME,", "line 2, price: "),
            ("ACME,1e3", "line 2, price: "),
            ("ACME", "line 2 has another form than symbol,price"),
            ("ACME,1,2", "line 2 has another form than symbol,price"),
            ("ACME;1", "line 2 has another form than symbol,price"),
            // Only the first line may be a header.
            ("symbol,price", "line 2, symbol: "),
            (&long, "line 2 has more than 1024 bytes"),
        ] {
            let (before, error) = read(format!("ACME,1\n{line}\nACME,2\n").as_bytes());
            assert_eq!(before.len(), 1, "{line}");
            let error = error.unwrap_or_else(|| panic!("{line} is taken"));
            assert!(error.starts_with(says), "{line}: {error}");
        }
        assert_eq!(read(b"ACME,\xff").1.as_deref(), Some("line 1 is not UTF-8"));
    }
}
