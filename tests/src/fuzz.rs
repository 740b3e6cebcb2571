//! What a fuzzer tries: for each target a function that takes any bytes and panics where they break a promise.
//!
//! `cargo +nightly fuzz run decoder` searches for such bytes, and so for the other [`TARGETS`]. The test `fuzz_corpus`
//! replays what is kept of earlier searches, on every run and without a fuzzer. The inputs of `decoder`, `route` and
//! `settings` are texts; those of `session` and `token` are read by `arbitrary`, so they mean something else once its types
//! here change.
#![allow(clippy::missing_panics_doc, reason = "a panic is how a fuzzer is told of a find")]

mod decoder;
mod route;
mod session;
mod settings;
mod token;

pub use decoder::decoder;
pub use route::route;
pub use session::session;
pub use settings::settings;
pub use token::token;

/// Takes any bytes, and panics where they break a promise.
pub type Target = fn(&[u8]);

/// Every target, by the name of its program and its corpus.
pub const TARGETS: [(&str, Target); 5] =
    [("decoder", decoder), ("route", route), ("session", session), ("settings", settings), ("token", token)];
