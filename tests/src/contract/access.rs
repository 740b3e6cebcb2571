//! Access: what ANONYMOUS grants.

use serde_json::json;

use super::{Case, Context, problem};
use crate::token::{HEADER, PREVIOUS, now, signed};

pub(super) const STRICT: &[Case] = cases! {
    "Access", "ANONYMOUS grants a channel, a prefix or all, and no more" => partial;
    "Access", "publishing events or quotes always needs a token" => never_anonymous;
};

pub(super) const LOCKED: &[Case] = cases! {
    "Access", "an empty ANONYMOUS grants nothing" => nothing;
    "Access", "without AUTH_SECRET a token of AUTH_SECRET_PREVIOUS is none" => no_key;
    "Access", "what is no channel needs no grant" => open_to_all;
};

const HI: &str = r#"{"user":"ada","text":"hi"}"#;

async fn partial(c: Context) {
    for path in ["/api/stock", "/api/chat", "/api/chat/any", "/api/events?topics=news"] {
        assert_eq!(c.client.open(path, &[]).await.status, 200, "{path}");
    }
    for path in ["/api/events", "/api/events?topics=news,orders", "/api/events?topics=orders"] {
        problem(&c.client.get(path, &[]).await, 403, None, &["subscribe", "events"]);
        problem(&c.client.get_json(path).await, 403, None, &["subscribe", "events"]);
    }
}

async fn never_anonymous(c: Context) {
    let notification = r#"{"topic":"news","data":1}"#;
    problem(&c.client.post_json("/api/events", notification).await, 403, None, &["publish", "events"]);
    assert_eq!(c.client.post_json("/api/chat", HI).await.status, 201);
}

async fn nothing(c: Context) {
    for path in ["/api/events", "/api/events?topics=a", "/api/stock", "/api/chat", "/api/chat/a/messages/1"] {
        problem(&c.client.get(path, &[]).await, 403, None, &["no grant to subscribe"]);
        problem(&c.client.get_json(path).await, 403, None, &["no grant to subscribe"]);
        assert_eq!(c.client.head(path, &[]).await.status, 403, "{path}");
    }
    problem(&c.client.post_json("/api/chat", HI).await, 403, None, &["no grant to publish chat/lobby"]);
    // Whoever may not post does not learn more about its body.
    problem(&c.client.post_json("/api/chat", "{").await, 403, None, &[]);
}

async fn no_key(c: Context) {
    let claims = json!({ "exp": now() + 3_600, "subscribe": ["*"], "publish": ["*"] }).to_string();
    let holder = c.client.bearing(&signed(PREVIOUS, HEADER, &claims));
    for path in ["/api/events", "/api/stock", "/api/chat"] {
        problem(&holder.get(path, &[]).await, 401, None, &["token"]);
        problem(&holder.post_json(path, HI).await, 401, None, &["token"]);
    }
}

async fn open_to_all(c: Context) {
    for path in ["/", "/healthz", "/openapi.json"] {
        assert_eq!(c.client.get(path, &[]).await.status, 200, "{path}");
    }
}
