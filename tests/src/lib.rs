//! What both hosts must do, and the tools to check it.

pub mod client;
pub mod host;
pub mod world;
