//! Every bound of ssedge, with its unit and its reason.

/// Characters (ASCII, so bytes) of a stock symbol: the longest that exchanges use, class suffix included.
pub const MAX_SYMBOL_LEN: usize = 10;

/// Cents of a price: fifteen digits, the most that every decimal number keeps on its way through a
/// reader's double. So the difference of two prices is as exact, and their arithmetic is far from `i64::MAX`.
pub const MAX_PRICE_CENTS: i64 = 999_999_999_999_999;
