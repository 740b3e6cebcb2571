//! The logs in a table of items, which many processes read and write at the same time.
//!
//! All that is asked of the storage is in [`Table`]: to find items in order, and to write one on a condition. This module
//! is the only one of the core whose functions are `async`: they wait for nothing but what the [`Table`] gives them, so
//! they need no runtime, and a test can let them wait as it likes.
//!
//! Nothing is kept in memory, because any process may take the next request, and any may die. What holds two writers apart
//! is one rule: **whoever writes next to the same newest item writes an item of the same id**, and a table stores an id
//! once. That is an entry, or a *seal* if the newest item has expired ([`Item`]).

mod buckets;
mod claims;
mod interface;
mod item;
mod memory;
mod news;
mod posts;
mod reader;
mod reading;
mod writer;

pub use buckets::{Bucket, Buckets};
pub use interface::{Append, Found, Order, Put, Remember, Table};
pub use item::{Counter, Item, Lasting, Remembered};
pub use news::batches;
pub use posts::Posts;
pub use reader::{Head, Reader};
