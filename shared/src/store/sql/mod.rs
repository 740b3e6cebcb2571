//! The log of one channel in the SQLite of its object, which alone reads and writes it.
//!
//! The statements are here as they are deployed, and so is when something is freed. All that is asked of the storage is
//! in [`Sql`]. Nothing is created before something is stored: a channel that is only read costs nothing.
//!
//! Where the log ends is read once and then known in memory, so a post is one `INSERT` of one row, however many entries it
//! has, and one more for what it has besides: a key, terms, a value to remember, a slow bucket. What is no longer kept is
//! deleted now and then, and no reader ever gets it.

mod channel;
mod ending;
mod freed;
mod interface;
mod keys;
mod known;
mod log;
mod rates;
mod row;
mod terms;
mod values;
mod writes;

pub use channel::{Appended, Channel, NewEntries};
pub use interface::{Sql, Value};
