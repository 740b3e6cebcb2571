//! Deployments, and who may do what in them, said once more than in their settings.

use std::sync::LazyLock;

use http::Method;
use http::request::Parts;
use serde_json::{Value, json};
use ssedge::feeds::{Feed, Feeds, Target};
use ssedge::log::{ChannelName, Filter};
use ssedge::route::{self, Plan, Route, route};
use ssedge::settings::{Host, Variables};

use crate::stream::NOW;
use crate::token::{HEADER, SECRET, signed};

/// The one origin that one of the deployments lists.
pub const LISTED: &str = "https://a.example";
/// Who holds [`TOKEN`].
pub const HOLDER: &str = "ada";

/// A name that a path may have a place for, and the one key that a grant names.
const NAME: &str = "lobby";
pub const KEY: &str = "orders";

/// A channel of each feed of the table.
struct Example {
    /// As a grant names it, with a key if grants do.
    granted: String,
    /// Itself.
    channel: String,
    is_open_to_anonymous: bool,
}

impl Example {
    /// All channels below the same prefix, as a grant.
    fn wide(&self) -> String {
        self.channel.split_once('/').map_or(self.granted.clone(), |(feed, _)| format!("{feed}/*"))
    }
}

static EXAMPLES: LazyLock<Vec<Example>> = LazyLock::new(|| {
    let feeds = Feeds::read(&Variables::new(&|_| None)).expect("the defaults are good");
    let example = |(feed, channel): (&dyn Feed, ChannelName)| {
        let granted = if feed.is_granted_by_key() { format!("{channel}/{KEY}") } else { channel.to_string() };
        let is_open_to_anonymous = feed.is_open_to_anonymous();
        Example { granted, channel: channel.to_string(), is_open_to_anonymous }
    };
    feeds.channels(NAME).map(example).collect()
});

/// Those that somebody may read who may not read all: each second feed.
fn some() -> impl Iterator<Item = &'static Example> {
    EXAMPLES.iter().step_by(2)
}

/// Those to which somebody without a token may post.
fn open() -> impl Iterator<Item = &'static Example> {
    EXAMPLES.iter().filter(|example| example.is_open_to_anonymous)
}

/// What the word `{token}` of a request stands for where there is a secret: a fuzzer makes no signature.
pub static TOKEN: LazyLock<String> = LazyLock::new(|| {
    let claims = json!({
        "sub": HOLDER,
        "exp": NOW.0 / 1_000 + 3_600,
        "subscribe": some().map(|example| &example.granted).collect::<Vec<_>>(),
        "publish": EXAMPLES.iter().map(Example::wide).collect::<Vec<_>>(),
    });
    signed(SECRET, HEADER, claims.to_string())
});

/// From all that anybody may have to nothing.
pub static DEPLOYMENTS: LazyLock<[Deployment; 4]> = LazyLock::new(|| {
    let feeds = Feeds::read(&Variables::new(&|_| None)).expect("the defaults are good");
    let secret = ("AUTH_SECRET", SECRET);
    let all = || May { read: Channels::All, post: Channels::of(open().map(Example::wide)) };
    let grants = some().map(|example| format!("subscribe {}", example.granted));
    let grants = grants.chain(open().map(|example| format!("publish {}", example.granted)));
    let few = grants.collect::<Vec<_>>().join(", ");
    let taking_posts = feeds.for_posts().chain([("ANONYMOUS", "subscribe *, publish *"), secret]);
    [
        Deployment::new(Host::Worker, &[], all()),
        // Some feeds want a token of who posts, whatever is granted.
        Deployment::new(Host::Lambda, &taking_posts.collect::<Vec<_>>(), all()),
        Deployment::new(
            Host::Worker,
            &[("ANONYMOUS", &few), ("ALLOWED_ORIGINS", LISTED), secret],
            May {
                read: Channels::of(some().map(|example| example.granted.clone())),
                post: Channels::of(open().map(|example| example.channel.clone())),
            },
        ),
        Deployment::new(
            Host::Lambda,
            &[("ANONYMOUS", "")],
            May { read: Channels::of([]), post: Channels::of([]) },
        ),
    ]
});

/// Some channels.
enum Channels {
    All,
    /// These by name; one that ends in a slash is all below it.
    These(Vec<String>),
}

impl Channels {
    /// Those that grants name.
    fn of(granted: impl IntoIterator<Item = String>) -> Self {
        Self::These(granted.into_iter().map(|name| name.trim_end_matches('*').to_owned()).collect())
    }

    fn has(&self, channel: &str) -> bool {
        let is_one = |name: &String| channel == name || (name.ends_with('/') && channel.starts_with(name));
        match self {
            Self::All => true,
            Self::These(names) => names.iter().any(is_one),
        }
    }
}

/// What somebody may do to a channel; if grants name the keys of its entries, to `{channel}/{key}`, or to `{channel}/*`,
/// which is all of them. Where to post stands without a key, which is in the body.
pub struct May {
    read: Channels,
    post: Channels,
}

/// What the holder of [`TOKEN`] may do.
static HOLDER_MAY: LazyLock<May> = LazyLock::new(|| May {
    read: Channels::of(some().map(|example| example.granted.clone())),
    post: Channels::of(EXAMPLES.iter().flat_map(|example| [example.wide(), example.channel.clone()])),
});

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
        let has = |may: &May| may.has(plan, request, &self.deployment);
        has(&self.anybody) || (has_token && has(&HOLDER_MAY))
    }
}

impl May {
    fn has(&self, plan: &Plan<'_>, request: &Parts, deployment: &route::Deployment) -> bool {
        let found = route(request.uri.path(), &deployment.feeds);
        let reads = request.method == Method::GET || request.method == Method::HEAD;
        match (plan, found) {
            (Plan::Reply(_), _) if request.method == Method::OPTIONS => true,
            (Plan::Append(append), _) => {
                request.method == Method::POST && self.post.has(append.channel.as_str())
            }
            _ if !reads => false,
            (Plan::Reply(_), Ok(Route::Health | Route::OpenApi)) | (Plan::Page, Ok(Route::Page)) => true,
            (Plan::Entry(read), _) => self.read.has(read.channel.as_str()),
            (plan, Ok(Route::Feed((feed, Target::Channel(channel))))) => match plan {
                Plan::Read(read) => self.follows(feed, &channel, &read.subscribe.filter),
                Plan::Stream(stream, _) => {
                    let filter = stream.log.as_ref().map(|(_, subscribe)| &subscribe.filter);
                    self.follows(feed, &channel, filter.unwrap_or(&Filter::ALL))
                }
                // What comes by the clock, as it is now.
                _ => self.read.has(channel.as_str()),
            },
            _ => false,
        }
    }

    fn follows(&self, feed: &dyn Feed, channel: &ChannelName, filter: &Filter) -> bool {
        let keys = serde_json::to_value(filter).expect("a filter is a list of keys");
        match keys.as_array() {
            _ if !feed.is_granted_by_key() => self.read.has(channel.as_str()),
            None => self.read.has(&format!("{channel}/*")),
            Some(keys) => {
                keys.iter().filter_map(Value::as_str).all(|key| self.read.has(&format!("{channel}/{key}")))
            }
        }
    }
}
