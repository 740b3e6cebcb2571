//! Quotes: what a stock is called, what it costs, and a market to try the feed with.

mod market;
mod noise;
mod price;
mod symbol;

pub use market::{change_at, price_at};
pub use price::{Change, InvalidPrice, Price};
pub use symbol::{DEFAULT_SYMBOLS, InvalidSymbol, Symbol};
