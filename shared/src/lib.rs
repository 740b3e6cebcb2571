//! The core of ssedge: Server-Sent Events without a server.
//!
//! This crate is sans-IO. It has no clock, no randomness, no environment, no network and no async runtime: time,
//! seeds and settings are arguments, and what is to be done is a value. Two thin hosts drive it, a Cloudflare
//! Worker and an AWS Lambda function, and a reader cannot tell them apart.
//!
//! | to | see |
//! |---|---|
//! | turn a request into what is to be done | [`route::plan`] |
//! | say what a feed is, or add one | [`feeds`] |
//! | run one stream | [`session::Session`] |
//! | say what an ordered log is | [`log`] |
//! | store it | [`store`] |
//! | write and read the wire format | [`sse`] |
//! | refuse | [`problem::Problem`] |
#![warn(missing_docs)]

// In the order of their layers: each module uses only those before it.
pub mod backoff;
pub mod chance;
pub mod json;
pub mod limits;
pub mod sse;
pub mod time;

pub mod log;

pub mod session;

pub mod hub;

pub mod access;

pub mod store;

pub mod problem;
pub mod settings;

pub mod feeds;

pub mod route;
