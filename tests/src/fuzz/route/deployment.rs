//! Deployments, and who may do what in them, said once more than in their settings.

use std::sync::LazyLock;

use http::Method;
use http::request::Parts;
use serde_json::{Value, json};
use ssedge::log::{ChannelName, Subscribe};
use ssedge::route::{Plan, Route};
use ssedge::settings::{Host, Settings};

use crate::stream::NOW;
use crate::token::{HEADER, SECRET, signed};

/// The one origin that one of the deployments lists.
pub const LISTED: &str = "https://a.example";
/// Who holds [`TOKEN`].
pub const HOLDER: &str = "ada";

/// What the word `{token}` of a request stands for where there is a secret: a fuzzer makes no signature.
pub static TOKEN: LazyLock<String> = LazyLock::new(|| {
    let claims = json!({
        "sub": HOLDER,
        "exp": NOW.0 / 1_000 + 3_600,
        "subscribe": ["chat/lobby", "events/orders"],
        "publish": ["chat/*", "events/orders", "stock"],
    });
    signed(SECRET, HEADER, claims.to_string())
});

/// From all that anybody may have to nothing.
pub static DEPLOYMENTS: LazyLock<[Deployment; 4]> = LazyLock::new(|| {
    let chat = |channel: &str| channel.starts_with("chat/");
    let secret = ("AUTH_SECRET", SECRET);
    [
        Deployment::new(Host::Worker, &[], May { read: |_| true, post: chat }),
        // Events and quotes want a token, whatever is granted.
        Deployment::new(
            Host::Lambda,
            &[("STOCK_SOURCE", "published"), ("ANONYMOUS", "subscribe *, publish *"), secret],
            May { read: |_| true, post: chat },
        ),
        Deployment::new(
            Host::Worker,
            &[
                ("ANONYMOUS", "subscribe chat/lobby, subscribe events/orders, publish chat/lobby"),
                ("ALLOWED_ORIGINS", LISTED),
                secret,
            ],
            May {
                read: |channel| matches!(channel, "chat/lobby" | "events/orders"),
                post: |channel| channel == "chat/lobby",
            },
        ),
        Deployment::new(Host::Lambda, &[("ANONYMOUS", "")], May { read: |_| false, post: |_| false }),
    ]
});

/// What somebody may do; of events, to `events/{topic}`, or to `events/*`, which is all of them.
#[derive(Clone, Copy)]
pub struct May {
    read: fn(&str) -> bool,
    post: fn(&str) -> bool,
}

/// What the holder of [`TOKEN`] may do.
const HOLDER_MAY: May = May {
    read: |channel| matches!(channel, "chat/lobby" | "events/orders"),
    post: |channel| channel.starts_with("chat/") || matches!(channel, "events" | "stock"),
};

/// Settings, and what anybody may do.
pub struct Deployment {
    pub settings: Settings,
    anybody: May,
}

impl Deployment {
    fn new(host: Host, vars: &[(&str, &str)], anybody: May) -> Self {
        let lookup = |name: &str| {
            let mut vars = vars.iter().chain(&[("TABLE_NAME", "ssedge")]);
            vars.find(|(var, _)| *var == name).map(|(_, value)| (*value).to_owned())
        };
        Self { settings: Settings::parse(host, lookup).expect("they are good"), anybody }
    }

    /// Whether this may come of the request, which `has_token` or has not.
    pub fn grants(&self, plan: &Plan, request: &Parts, has_token: bool) -> bool {
        let has_token = has_token && self.settings.auth_secret.is_some();
        self.anybody.has(plan, request) || (has_token && HOLDER_MAY.has(plan, request))
    }
}

impl May {
    fn has(self, plan: &Plan, request: &Parts) -> bool {
        let route = Route::parse(request.uri.path());
        let reads = request.method == Method::GET || request.method == Method::HEAD;
        match plan {
            Plan::Reply(_) if request.method == Method::OPTIONS => true,
            Plan::Append(append) => {
                request.method == Method::POST && (self.post)(&append.channel.to_string())
            }
            _ if !reads => false,
            Plan::Reply(_) => match route {
                Ok(Route::Health | Route::OpenApi) => true,
                // The market as it is now.
                Ok(Route::Feed(ChannelName::Stock)) => (self.read)("stock"),
                _ => false,
            },
            Plan::Page => route == Ok(Route::Page),
            Plan::Stream(opening, _) => match &opening.channel {
                Some((channel, subscribe)) => self.follows(channel, subscribe),
                None => (self.read)("stock"),
            },
            Plan::Read(read) => self.follows(&read.channel, &read.subscribe),
            Plan::Message(channel, _) => (self.read)(&channel.to_string()),
        }
    }

    fn follows(self, channel: &ChannelName, subscribe: &Subscribe) -> bool {
        let keys = serde_json::to_value(&subscribe.filter).expect("a filter is a list of keys");
        match (channel, keys.as_array()) {
            (ChannelName::Events, None) => (self.read)("events/*"),
            (ChannelName::Events, Some(topics)) => {
                topics.iter().filter_map(Value::as_str).all(|topic| (self.read)(&format!("events/{topic}")))
            }
            (channel, _) => (self.read)(&channel.to_string()),
        }
    }
}
