//! What both hosts must do, and the tools to check it.

pub mod stream;
pub mod world;
