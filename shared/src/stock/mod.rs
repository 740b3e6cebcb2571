//! Quotes: what a stock is called, what it costs, and a market to try the feed with.

mod market;
mod noise;
mod price;
mod quote;
mod symbol;

pub use market::{change_at, price_at};
pub use price::{Change, InvalidPrice, Price};
pub use quote::{Quote, QuoteDraft, listed_symbol, market_tick, quote_at, value_of};
pub use symbol::{DEFAULT_SYMBOLS, InvalidSymbol, Symbol};
