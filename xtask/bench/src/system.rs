//! What is measured, and how each system is asked the same.

use clap::ValueEnum;
use serde_json::json;

/// A system under load. The first is the one that the others are measured for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum System {
    Ssedge,
    HonoDo,
    JsDo,
    JsDoSqlite,
    JsWs,
    Express,
    BetterSse,
    HonoNode,
}

/// Where a system runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    Workerd,
    Node,
}

impl System {
    pub const ALL: [Self; 8] = [
        Self::Ssedge,
        Self::HonoDo,
        Self::JsDo,
        Self::JsDoSqlite,
        Self::JsWs,
        Self::Express,
        Self::BetterSse,
        Self::HonoNode,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Ssedge => "ssedge",
            Self::HonoDo => "hono-do",
            Self::JsDo => "js-do",
            Self::JsDoSqlite => "js-do-sqlite",
            Self::JsWs => "js-ws",
            Self::Express => "express",
            Self::BetterSse => "better-sse",
            Self::HonoNode => "hono-node",
        }
    }

    pub const fn runtime(self) -> Runtime {
        match self {
            Self::Ssedge | Self::HonoDo | Self::JsDo | Self::JsDoSqlite | Self::JsWs => Runtime::Workerd,
            Self::Express | Self::BetterSse | Self::HonoNode => Runtime::Node,
        }
    }

    /// Whether a message is stored before its sender is answered.
    pub const fn stores(self) -> bool {
        matches!(self, Self::Ssedge | Self::JsDoSqlite)
    }

    /// Where its readers and posters go.
    pub const fn paths(self) -> (&'static str, &'static str) {
        match self {
            Self::Ssedge => ("/api/chat/bench?history=0", "/api/chat/bench"),
            _ => ("/room", "/room"),
        }
    }

    /// The body of a post of this text.
    pub fn body(self, text: &str) -> String {
        match self {
            Self::Ssedge => json!({ "user": "bench", "text": text }).to_string(),
            _ => json!({ "text": text }).to_string(),
        }
    }
}
