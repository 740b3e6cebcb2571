//! The core of ssedge.
#![warn(missing_docs)]

pub mod limits;
pub mod sse;
pub mod stock;
pub mod time;
