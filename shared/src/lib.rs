//! The core of ssedge: Server-Sent Events without a server.
//!
//! This crate is sans-IO. It has no clock, no randomness, no environment, no network and no async runtime: time,
//! seeds and settings are arguments, and what is to be done is a value. Two thin hosts drive it, a Cloudflare
//! Worker and an AWS Lambda function, and a reader cannot tell them apart.
//!
//! | to | see |
//! |---|---|
//! | turn a request into what is to be done | [`route::plan`] |
//! | run one stream | [`session::Session`] |
//! | keep an ordered log | [`log`] |
//! | write and read the wire format | [`sse`] |
//! | refuse | [`problem::Problem`] |
#![warn(missing_docs)]

pub mod access;
pub mod chat;
mod cors;
pub mod events;
pub mod json;
pub mod limits;
pub mod log;
pub mod openapi;
pub mod post;
pub mod problem;
pub mod route;
pub mod session;
pub mod settings;
pub mod sse;
pub mod stock;
pub mod time;
