//! The log of one channel in the SQLite of its object, which alone reads and writes it.
//!
//! The statements are here as they are deployed, and so is when something is freed. All that is asked of the storage is
//! in [`Sql`]. Nothing is created before something is stored: a channel that is only read costs nothing.

mod channel;
mod freed;
mod interface;
mod keys;
mod log;
mod memory;
mod rates;

pub use channel::{Appended, Channel, NewEntry};
pub use interface::{Sql, Value};
