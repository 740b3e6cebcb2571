//! The table of feeds, and what a feed is.
//!
//! A feed is a kind of channel: what may be posted to it, and what its readers get. Each has a folder of its own, with all
//! that anybody needs to know of it. The rest of the core, both hosts, the tests and the documents ask the table.

mod posted;
mod query;
mod reading;

use std::fmt;

use http::Method;

use crate::limits::BODY_BYTES;
use crate::log::{ChannelName, EntryId};
use crate::problem::Problem;
use crate::settings::{BadSetting, Settings, Variables};
pub use posted::{Drafts, Pieces, Piecewise, Posted, Rules};
pub use query::Query;
pub use reading::{Reading, Target, Tick};

/// Makes a feed from the settings of a deployment.
type Make = fn(&Variables) -> Result<Box<dyn Feed>, BadSetting>;

/// Declares the modules of the feeds, and [`FEEDS`], the table of them.
macro_rules! feeds {
    ($($name:ident,)+) => {
        $(pub mod $name;)+

        /// Every feed there is.
        const FEEDS: &[Make] = &[$($name::feed),+];
    };
}

// To add a feed, add its folder and a line here.
feeds! {
    events,
    stock,
    chat,
    channels,
}

/// One line of the endpoint table: method, path, what it does.
pub type Endpoint = (Method, &'static str, &'static str);

/// A kind of channel.
pub trait Feed: fmt::Debug + Send + Sync {
    /// Its name: what follows `/api/` in its paths, and the first segment of the names of its channels.
    fn name(&self) -> &'static str;

    /// Its lines of the endpoint table.
    fn endpoints(&self) -> &'static [Endpoint];

    /// Its variables, beside those of [`Settings`].
    fn variables(&self) -> &'static [&'static str] {
        &[]
    }

    /// What it adds to ANONYMOUS when that is not set: a list of grants.
    fn anonymous(&self) -> &'static str;

    /// Where a path leads. `rest` are its decoded segments behind the name. Unless it says otherwise, a feed is one channel,
    /// of its own name.
    ///
    /// # Errors
    /// [`Problem::NotFound`], or [`Problem::Invalid`] for a segment that is against its rule.
    fn target(&self, rest: &[&str]) -> Result<Target, Problem> {
        match rest {
            [] => ChannelName::new(self.name()).map(Target::Channel).map_err(Problem::invalid("channel")),
            _ => Err(Problem::NotFound("no such path")),
        }
    }

    /// The parameters of a query that are lists, and so may be given more than once.
    fn lists(&self) -> &'static [&'static str] {
        &[]
    }

    /// What a reader wants by its query.
    ///
    /// # Errors
    /// [`Problem::Invalid`] for a parameter that is against its rule.
    fn reading(&self, query: &Query) -> Result<Reading, Problem>;

    /// Whether grants name the keys of its entries, as in `events/orders`.
    fn is_granted_by_key(&self) -> bool {
        false
    }

    /// Whether ANONYMOUS may grant publishing. Without it only a token can.
    fn is_open_to_anonymous(&self) -> bool {
        false
    }

    /// Whether anything can be published, as the deployment is set.
    ///
    /// # Errors
    /// [`Problem::Conflict`] if not.
    fn takes_posts(&self) -> Result<(), Problem> {
        Ok(())
    }

    /// The settings with which something can be published, if that is not so by default.
    fn for_posts(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The media types that a body may have.
    fn media_types(&self) -> &'static [&'static str] {
        &["application/json"]
    }

    /// Bytes of a body.
    fn body_bytes(&self) -> usize {
        BODY_BYTES
    }

    /// What a request wants stored.
    ///
    /// # Errors
    /// [`Problem::Malformed`], [`Problem::Invalid`], [`Problem::TooLarge`] or [`Problem::OtherName`].
    fn post(&self, channel: &ChannelName, posted: &Posted<'_>) -> Result<Drafts, Problem>;

    /// What reads a body of this media type as it comes, if it can be appended piece by piece, and the terms of all of it.
    ///
    /// # Errors
    /// [`Problem::Invalid`].
    fn pieces(&self, posted: &Posted<'_>) -> Result<Option<Piecewise>, Problem> {
        let _ = posted;
        Ok(None)
    }

    /// Whether its channels can be closed and deleted.
    fn has_ends(&self) -> bool {
        false
    }

    /// How much of a channel is kept, and how fast one sender may post to it.
    fn rules(&self, settings: &Settings) -> Rules {
        Rules { retention: settings.retention, rate: settings.post_rate, burst: settings.post_burst }
    }

    /// What a snapshot calls its list of entries.
    fn list(&self) -> &'static str;

    /// The path of one entry, if it has one.
    fn location(&self, channel: &ChannelName, id: EntryId) -> Option<String> {
        let _ = (channel, id);
        None
    }
}

/// The feeds of a deployment.
#[derive(Debug)]
pub struct Feeds(Vec<Box<dyn Feed>>);

impl Feeds {
    /// Every feed, as these variables set it.
    ///
    /// # Errors
    /// [`BadSetting`] for the first value that is against its rule.
    pub fn read(variables: &Variables) -> Result<Self, BadSetting> {
        FEEDS.iter().map(|feed| feed(variables)).collect::<Result<_, _>>().map(Self)
    }

    /// The feeds, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Feed> {
        self.0.iter().map(|feed| &**feed)
    }

    /// The feed of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&dyn Feed> {
        self.iter().find(|feed| feed.name() == name)
    }

    /// The feed of a channel.
    #[must_use]
    pub fn of(&self, channel: &ChannelName) -> Option<&dyn Feed> {
        self.named(channel.as_str().split('/').next()?)
    }

    /// Every line of the endpoint table that is a feed's.
    pub fn endpoints(&self) -> impl Iterator<Item = &'static Endpoint> {
        self.iter().flat_map(|feed| feed.endpoints())
    }

    /// The variables of all feeds.
    pub fn variables(&self) -> impl Iterator<Item = &'static str> {
        self.iter().flat_map(|feed| feed.variables()).copied()
    }

    /// The settings with which something can be published to every feed.
    pub fn for_posts(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.iter().flat_map(|feed| feed.for_posts()).copied()
    }

    /// A channel of each feed, with `name` for each name that its path has a place for.
    pub fn channels(&self, name: &str) -> impl Iterator<Item = (&dyn Feed, ChannelName)> {
        self.iter().filter_map(move |feed| {
            let (_, path, _) = feed.endpoints().iter().rfind(|(method, ..)| *method == Method::POST)?;
            let rest = path.split('/').skip(3).map(|part| if part.starts_with('{') { name } else { part });
            match feed.target(&rest.collect::<Vec<_>>()) {
                Ok(Target::Channel(channel)) => Some((feed, channel)),
                _ => None,
            }
        })
    }

    /// What ANONYMOUS is when it is not set.
    #[must_use]
    pub fn anonymous(&self) -> String {
        self.iter().map(Feed::anonymous).collect::<Vec<_>>().join(", ")
    }

    /// The parameters that are lists, of any feed.
    pub(crate) fn lists(&self) -> impl Iterator<Item = &'static str> {
        self.iter().flat_map(|feed| feed.lists()).copied()
    }
}
