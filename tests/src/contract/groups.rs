//! Which statements are checked under which settings: as few hosts as the settings allow.

use super::*;

/// The settings of a deployment that chooses nothing. (Its senders are the tests, all from one address.)
pub const DEFAULT: Group = Group {
    vars: &[("POST_RATE", "1000"), ("POST_BURST", "10000")],
    tables: &[
        streams::CASES,
        negotiation::CASES,
        resume::CASES,
        hostile::CASES,
        events::CASES,
        stock::CASES,
        chat::CASES,
        snapshots::CASES,
        others::CASES,
        errors::CASES,
        cors::ANY,
    ],
};

/// Streams that end soon.
pub const ROTATING: Group = Group {
    vars: &[
        ("STREAM_SECS", "3"),
        ("HEARTBEAT_SECS", "1"),
        ("RETRY_MS", "100"),
        ("POST_RATE", "1000"),
        ("POST_BURST", "10000"),
    ],
    tables: &[rotation::CASES],
};

/// A channel that keeps little.
pub const FEW: Group = Group {
    vars: &[("HISTORY_MAX", "5"), ("POST_RATE", "1000"), ("POST_BURST", "10000")],
    tables: &[retention::FEW],
};

/// A channel that keeps not for long.
pub const BRIEF: Group = Group { vars: &[("HISTORY_SECS", "2")], tables: &[retention::BRIEF] };

/// Listed origins, published quotes, and few grants without a token.
pub const STRICT: Group = Group {
    vars: &[
        ("ALLOWED_ORIGINS", "https://a.example, http://localhost:3000"),
        (
            "ANONYMOUS",
            "subscribe stock, subscribe events/news, subscribe chat/*, publish chat/lobby, publish *",
        ),
        ("STOCK_SOURCE", "published"),
        ("STOCK_SYMBOLS", "ABC, X.Y"),
    ],
    tables: &[cors::LISTED, access::STRICT, stock::PUBLISHED],
};

/// Nothing without a token.
pub const LOCKED: Group = Group { vars: &[("ANONYMOUS", "")], tables: &[access::LOCKED] };

/// A setting that is bad.
pub const BAD: Group = Group { vars: &[("HEARTBEAT_SECS", "61")], tables: &[errors::BAD_SETTING] };
