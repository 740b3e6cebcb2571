//! What both hosts must do, and the tools to check it.

pub mod client;
pub mod contract;
pub mod dev;
pub mod document;
pub mod fuzz;
pub mod host;
pub mod secrets;
pub mod stream;
pub mod token;
pub mod tokens;
pub mod world;
