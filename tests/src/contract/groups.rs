//! Which statements are checked under which settings: as few hosts as the settings allow.

use super::*;
use crate::host::{POST_BURST, POST_RATE};
use crate::token::{PREVIOUS, SECRET};

/// The tests of a host, the same for all: one for each group, of which `$check` asks a host with its settings.
/// ([`BAD`] is not among them: not every host starts with it.)
#[macro_export]
macro_rules! keeps_the_contract {
    ($check:path) => {
        #[tokio::test]
        async fn holds_with_default_settings() {
            $check($crate::contract::DEFAULT).await;
        }

        #[tokio::test]
        async fn holds_where_streams_rotate() {
            $check($crate::contract::ROTATING).await;
        }

        #[tokio::test]
        async fn holds_where_little_is_kept() {
            $check($crate::contract::FEW).await;
        }

        #[tokio::test]
        async fn holds_where_nothing_is_kept_for_long() {
            $check($crate::contract::BRIEF).await;
        }

        #[tokio::test]
        async fn holds_with_strict_settings() {
            $check($crate::contract::STRICT).await;
        }

        #[tokio::test]
        async fn holds_where_nobody_may_do_anything() {
            $check($crate::contract::LOCKED).await;
        }

        #[tokio::test]
        async fn holds_of_every_feed() {
            $check($crate::contract::EVERY_FEED).await;
        }

        #[tokio::test]
        async fn holds_of_channels_of_ones_own() {
            $check($crate::contract::CHANNELS).await;
        }

        #[tokio::test]
        async fn holds_with_tokens() {
            $check($crate::contract::TOKENS).await;
        }

        #[tokio::test]
        async fn holds_where_posts_are_few() {
            $check($crate::contract::RATES).await;
        }

        #[tokio::test]
        async fn holds_where_streams_are_few() {
            $check($crate::contract::CROWD).await;
        }
    };
}

/// The settings of a deployment that chooses nothing. (Its senders are the tests, all from one address.)
pub const DEFAULT: Group = Group {
    vars: &[POST_RATE, POST_BURST],
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
    vars: &[("STREAM_SECS", "3"), ("RETRY_MS", "100"), POST_RATE, POST_BURST],
    tables: &[rotation::CASES],
};

/// A channel that keeps little, and streams that say soon that they are there.
pub const FEW: Group = Group {
    vars: &[("HISTORY_MAX", "5"), ("HEARTBEAT_SECS", "1"), ("RETRY_MS", "100"), POST_RATE, POST_BURST],
    tables: &[retention::FEW, idempotency::FEW, rotation::LIVELY],
};

/// A channel that keeps not for long, but for longer than a slow machine takes for a post and a look at it.
pub const BRIEF: Group =
    Group { vars: &[("HISTORY_SECS", "10")], tables: &[retention::BRIEF, idempotency::BRIEF] };

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

/// Nothing without a token, and no key that one could be made with: a key before it is none.
pub const LOCKED: Group =
    Group { vars: &[("ANONYMOUS", ""), ("AUTH_SECRET_PREVIOUS", PREVIOUS)], tables: &[access::LOCKED] };

/// Keys for tokens, so that everything can be published. (Its senders are the tests, most from one address.)
pub const TOKENS: Group = Group {
    vars: &[
        ("AUTH_SECRET", SECRET),
        ("AUTH_SECRET_PREVIOUS", PREVIOUS),
        ("ALLOWED_ORIGINS", "https://a.example"),
        ("STOCK_SOURCE", "published"),
        ("STOCK_SYMBOLS", "ACME, QUOTE, CHANGE, ONE, OTHER, KEYED"),
        POST_RATE,
        POST_BURST,
    ],
    tables: &[publishing::CASES, tokens::CASES, idempotency::CASES, injection::CASES],
};

/// A deployment that takes posts of every feed, by whoever has a token. What is asked of it names no feed.
pub const EVERY_FEED: Group = Group {
    vars: &[("AUTH_SECRET", SECRET), ("STOCK_SOURCE", "published"), POST_RATE, POST_BURST],
    tables: &[every_feed::CASES],
};

/// Channels of one's own, of which few entries are kept.
pub const CHANNELS: Group = Group {
    vars: &[("AUTH_SECRET", SECRET), ("CHANNEL_ENTRIES", "600")],
    tables: &[channels::CASES, closing::CASES],
};

/// Few posts for each sender.
pub const RATES: Group = Group {
    vars: &[("AUTH_SECRET", SECRET), ("STOCK_SOURCE", "published"), ("POST_RATE", "1"), ("POST_BURST", "3")],
    tables: &[rates::CASES, idempotency::RATES, tokens::ANY_ORIGIN, injection::RATES],
};

/// Few streams for each sender and channel. On Lambda they are counted over STREAM_SECS, which are more than any test
/// takes, and unless the table has time for that: so they ask it for news as rarely as a test can wait.
pub const CROWD: Group = Group {
    vars: &[
        ("AUTH_SECRET", SECRET),
        ("STREAMS_PER_SENDER", "20"),
        ("STREAMS_PER_CHANNEL", "30"),
        ("STREAM_SECS", "86400"),
        ("POLL_MIN_MS", "5000"),
        ("POLL_MAX_MS", "5000"),
    ],
    tables: &[crowds::CASES, injection::CROWD],
};

/// A setting that is bad.
pub const BAD: Group = Group { vars: &[("HEARTBEAT_SECS", "61")], tables: &[errors::BAD_SETTING] };
