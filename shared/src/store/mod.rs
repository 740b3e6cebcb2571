//! How logs are stored: by the same rules in a table of items, which many processes share ([`table`]), and in the SQLite of
//! one object ([`sql`]).
//!
//! What a host brings is an adapter of a few questions to its platform. So the code that is deployed is also what the
//! simulation runs, on storages that do everything that the real ones may do.

mod post;
pub mod sql;
pub mod table;

pub use post::{OnlyIf, Post, Receipt, Stored, Terms};
