//! Deployments, and who may do what in them, said once more than in their settings.

use std::sync::LazyLock;

use http::Method;
use http::request::Parts;
use serde_json::{Value, json};
use ssedge::feeds::{Feed, Target};
use ssedge::log::{ChannelName, Filter};
use ssedge::route::{self, Plan, Route, route};
use ssedge::settings::Host;

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

/// What somebody may do to a channel; if grants name the keys of its entries, to `{channel}/{key}`, or to `{channel}/*`,
/// which is all of them.
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

/// A deployment, and what anybody may do.
pub struct Deployment {
    pub deployment: route::Deployment,
    anybody: May,
}

impl Deployment {
    fn new(host: Host, vars: &[(&str, &str)], anybody: May) -> Self {
        let lookup =
            |name: &str| vars.iter().find(|(var, _)| *var == name).map(|(_, value)| (*value).to_owned());
        Self { deployment: route::Deployment::read(host, lookup).expect("it is good"), anybody }
    }

    /// Whether this may come of the request, which `has_token` or has not.
    pub fn grants(&self, plan: &Plan<'_>, request: &Parts, has_token: bool) -> bool {
        let has_token = has_token && self.deployment.settings.auth_secret.is_some();
        let has = |may: May| may.has(plan, request, &self.deployment);
        has(self.anybody) || (has_token && has(HOLDER_MAY))
    }
}

impl May {
    fn has(self, plan: &Plan<'_>, request: &Parts, deployment: &route::Deployment) -> bool {
        let found = route(request.uri.path(), &deployment.feeds);
        let reads = request.method == Method::GET || request.method == Method::HEAD;
        match (plan, found) {
            (Plan::Reply(_), _) if request.method == Method::OPTIONS => true,
            (Plan::Append(append), _) => {
                request.method == Method::POST && (self.post)(append.channel.as_str())
            }
            _ if !reads => false,
            (Plan::Reply(_), Ok(Route::Health | Route::OpenApi)) | (Plan::Page, Ok(Route::Page)) => true,
            (Plan::Entry(read), _) => (self.read)(read.channel.as_str()),
            (plan, Ok(Route::Feed((feed, Target::Channel(channel))))) => match plan {
                Plan::Read(read) => self.follows(feed, &channel, &read.subscribe.filter),
                Plan::Stream(stream, _) => {
                    let filter = stream.log.as_ref().map(|(_, subscribe)| &subscribe.filter);
                    self.follows(feed, &channel, filter.unwrap_or(&Filter::ALL))
                }
                // What comes by the clock, as it is now.
                _ => (self.read)(channel.as_str()),
            },
            _ => false,
        }
    }

    fn follows(self, feed: &dyn Feed, channel: &ChannelName, filter: &Filter) -> bool {
        let keys = serde_json::to_value(filter).expect("a filter is a list of keys");
        match keys.as_array() {
            _ if !feed.is_granted_by_key() => (self.read)(channel.as_str()),
            None => (self.read)(&format!("{channel}/*")),
            Some(keys) => {
                keys.iter().filter_map(Value::as_str).all(|key| (self.read)(&format!("{channel}/{key}")))
            }
        }
    }
}
