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
    Nchan,
}

/// Where a system runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    Workerd,
    Node,
    /// With the module nchan.
    Nginx,
}

/// What is said in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// Messages of people, short.
    Chat,
    /// Data, long. In ssedge that is another feed, which only who has a token may publish to.
    Data,
}

/// Where a load goes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub system: System,
    pub port: u16,
    pub talk: Talk,
}

impl System {
    pub const ALL: [Self; 9] = [
        Self::Ssedge,
        Self::HonoDo,
        Self::JsDo,
        Self::JsDoSqlite,
        Self::JsWs,
        Self::Express,
        Self::BetterSse,
        Self::HonoNode,
        Self::Nchan,
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
            Self::Nchan => "nchan",
        }
    }

    pub const fn runtime(self) -> Runtime {
        match self {
            Self::Ssedge | Self::HonoDo | Self::JsDo | Self::JsDoSqlite | Self::JsWs => Runtime::Workerd,
            Self::Express | Self::BetterSse | Self::HonoNode => Runtime::Node,
            Self::Nchan => Runtime::Nginx,
        }
    }

    /// Whether a message is stored before its sender is answered.
    pub const fn stores(self) -> bool {
        matches!(self, Self::Ssedge | Self::JsDoSqlite)
    }
}

impl Target {
    /// Where readers and posters go.
    pub const fn paths(self) -> (&'static str, &'static str) {
        match (self.system, self.talk) {
            (System::Ssedge, Talk::Chat) => ("/api/chat/bench?history=0", "/api/chat/bench"),
            (System::Ssedge, Talk::Data) => ("/api/events?tick=off", "/api/events"),
            (System::Nchan, _) => ("/readers", "/posts"),
            _ => ("/room", "/room"),
        }
    }

    /// The body of a post of this text.
    pub fn body(self, text: &str) -> String {
        let body = match (self.system, self.talk) {
            (System::Ssedge, Talk::Chat) => json!({ "user": "bench", "text": text }),
            (System::Ssedge, Talk::Data) => json!({ "topic": "bench", "data": text }),
            _ => json!({ "text": text }),
        };
        body.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Runtime, System};

    #[test]
    fn each_peer_has_a_script() {
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        for system in System::ALL.into_iter().filter(|system| *system != System::Ssedge) {
            let ending = if system.runtime() == Runtime::Nginx { "conf" } else { "mjs" };
            assert!(peers.join(format!("{}.{ending}", system.name())).is_file(), "{}", system.name());
        }
    }
}
