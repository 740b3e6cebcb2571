//! The stock feed: what a stock is called, what it costs, and a market to try the feed with.

mod market;
mod noise;
mod price;
mod quote;
mod symbol;

use std::sync::Arc;

use bytes::Bytes;
use http::Method;

use super::{Drafts, Endpoint, Feed, Posted, Query, Reading, Tick};
use crate::json;
use crate::log::{ChannelName, Filter};
use crate::problem::Problem;
use crate::session::{Ticks, WhenSlow};
use crate::settings::{BadSetting, Variables};
use crate::time::UnixMillis;
pub use market::{change_at, price_at};
pub use price::{Change, InvalidPrice, Price};
pub use quote::{Quote, listed_symbol, market_tick, quote_at};
pub use symbol::{DEFAULT_SYMBOLS, InvalidSymbol, Symbol};

/// Ticks of the simulated market that a reader may ask for or resume over: ten minutes at one second.
pub const TICKS: u32 = 600;
/// Symbols that STOCK_SYMBOLS may list: one tick of all of them stays below
/// [`PAGE_BYTES`](crate::limits::PAGE_BYTES).
pub const SYMBOLS: usize = 500;
/// Characters (ASCII, so bytes) of a stock symbol: the longest that exchanges use, class suffix included.
pub const MAX_SYMBOL_LEN: usize = 10;
/// Cents of a price: fifteen digits, the most that every decimal number keeps on its way through a
/// reader's double. So the difference of two prices is as exact, and their arithmetic is far from `i64::MAX`.
pub const MAX_PRICE_CENTS: i64 = 999_999_999_999_999;

const SOURCE_VARIABLE: &str = "STOCK_SOURCE";
const SYMBOLS_VARIABLE: &str = "STOCK_SYMBOLS";
const PUBLISHED: &str = "published";

/// Where quotes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The simulated market.
    Simulated,
    /// `POST /api/stock`.
    Published,
}

/// The feed, as its settings are.
#[derive(Clone, Debug)]
pub struct Stock {
    source: Source,
    /// Without repeats.
    symbols: Vec<Symbol>,
}

/// The feed with the settings STOCK_SOURCE and STOCK_SYMBOLS.
///
/// # Errors
/// [`BadSetting`] for one that is against its rule.
pub fn feed(variables: &Variables) -> Result<Box<dyn Feed>, BadSetting> {
    let sources = [("simulated", Source::Simulated), (PUBLISHED, Source::Published)];
    let source = variables.choice(SOURCE_VARIABLE, &sources)?;
    Ok(Box::new(Stock { source, symbols: symbols(variables.text(SYMBOLS_VARIABLE))? }))
}

fn symbols(list: Option<String>) -> Result<Vec<Symbol>, BadSetting> {
    let rule = |rule| BadSetting::new(SYMBOLS_VARIABLE, format!("must be a comma-separated list: {rule}"));
    let list = list.unwrap_or_else(|| DEFAULT_SYMBOLS.join(","));
    let mut symbols = Vec::new();
    for name in list.split(',') {
        let symbol = Symbol::new(name.trim()).map_err(|e| rule(e.to_string()))?;
        if !symbols.contains(&symbol) {
            symbols.push(symbol);
        }
    }
    match symbols.len() {
        0..=SYMBOLS => Ok(symbols),
        n => Err(rule(format!("at most {SYMBOLS} symbols, not {n}"))),
    }
}

impl Feed for Stock {
    fn name(&self) -> &'static str {
        "stock"
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &[(Method::GET, "/api/stock", "stream of quotes"), (Method::POST, "/api/stock", "publish a quote")]
    }

    fn variables(&self) -> &'static [&'static str] {
        &[SOURCE_VARIABLE, SYMBOLS_VARIABLE]
    }

    fn anonymous(&self) -> &'static str {
        "subscribe stock"
    }

    fn lists(&self) -> &'static [&'static str] {
        &["symbols"]
    }

    fn reading(&self, query: &Query) -> Result<Reading, Problem> {
        let listed = &self.symbols;
        let symbols = query.list("symbols", listed.len(), |name| listed_symbol(listed, name))?;
        let interval = query.interval("interval", false)?.unwrap_or_default();
        let history = query.number("history", &(0..=TICKS), 0)?;
        let reading = Reading { when_slow: WhenSlow::Newest, ..Reading::entries(Filter::ALL, history) };
        Ok(match (self.source, symbols) {
            (Source::Published, None) => reading,
            (Source::Published, Some(symbols)) => {
                let filter = Filter::keys(symbols.iter().map(ToString::to_string));
                Reading { filter: Some(filter), ..reading }
            }
            (Source::Simulated, symbols) => {
                let market = Market { symbols: symbols.unwrap_or_else(|| listed.clone()) };
                let ticks = Tick { interval, ticks: Arc::new(market), kept: TICKS };
                Reading { filter: None, ticks: Some(ticks), ..reading }
            }
        })
    }

    fn takes_posts(&self) -> Result<(), Problem> {
        match self.source {
            Source::Published => Ok(()),
            Source::Simulated => Err(Problem::Conflict {
                kind: "simulated",
                title: "The market is simulated",
                detail: "quotes are simulated here (STOCK_SOURCE=simulated) and cannot be published",
            }),
        }
    }

    fn for_posts(&self) -> &'static [(&'static str, &'static str)] {
        &[(SOURCE_VARIABLE, PUBLISHED)]
    }

    fn post(&self, _: &ChannelName, posted: &Posted<'_>) -> Result<Drafts, Problem> {
        Ok(quote::draft(&self.symbols, posted.body)?.into())
    }

    fn list(&self) -> &'static str {
        "quotes"
    }
}

/// The simulated market, as a reader of these symbols gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Market {
    /// What is quoted.
    pub symbols: Vec<Symbol>,
}

impl Ticks for Market {
    fn blocks(&self, tick: UnixMillis, skipped: u64) -> Bytes {
        market_tick(&self.symbols, tick, skipped)
    }

    fn items(&self, tick: UnixMillis) -> Vec<String> {
        self.symbols.iter().map(|symbol| json::line(&quote_at(symbol, tick, 0))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(vars: &[(&str, &str)], expected: Result<usize, &str>) {
        let lookup =
            |name: &str| vars.iter().find(|(var, _)| *var == name).map(|(_, value)| (*value).to_owned());
        let symbols = symbols(lookup(SYMBOLS_VARIABLE)).map(|symbols| symbols.len());
        let feed = feed(&Variables::new(&lookup)).map_err(|bad| bad.to_string());
        match (feed, expected) {
            (Ok(_), Ok(n)) => assert_eq!(symbols, Ok(n)),
            (Err(bad), Err(rule)) => assert_eq!(bad, rule),
            other => panic!("{vars:?}: {other:?}"),
        }
    }

    #[test]
    fn its_settings_have_their_rules() {
        check(&[], Ok(8));
        check(&[(SYMBOLS_VARIABLE, "ABC, X.Y ,ABC")], Ok(2));
        check(
            &[(SOURCE_VARIABLE, "real")],
            Err("the setting STOCK_SOURCE is bad: it must be one of simulated, published"),
        );
        check(
            &[(SYMBOLS_VARIABLE, "acme")],
            Err(
                "the setting STOCK_SYMBOLS is bad: it must be a comma-separated list: a symbol is 1 to 10 characters: a capital letter A-Z, then capital letters, digits and dots",
            ),
        );
    }
}
