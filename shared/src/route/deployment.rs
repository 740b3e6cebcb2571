//! A deployment: its settings and its feeds.

use crate::feeds::{Feeds, Rules};
use crate::log::ChannelName;
use crate::settings::{BadSetting, Host, Settings, Variables};

/// What is the same for every request: what the deployment chooses, and the feeds as it has set them.
///
/// ```
/// use ssedge::route::Deployment;
/// use ssedge::settings::Host;
///
/// let deployment = Deployment::read(Host::Worker, |name| (name == "RETRY_MS").then(|| "500".to_owned()))?;
/// assert_eq!(deployment.settings.retry.as_millis(), 500);
/// # Ok::<(), ssedge::settings::BadSetting>(())
/// ```
#[derive(Debug)]
pub struct Deployment {
    /// What is chosen for all feeds.
    pub settings: Settings,
    /// The feeds.
    pub feeds: Feeds,
}

impl Deployment {
    /// Reads it from the environment; `lookup` answers a variable by its name.
    ///
    /// # Errors
    /// [`BadSetting`] for the first value that is against its rule.
    pub fn read(host: Host, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, BadSetting> {
        let variables = Variables::new(&lookup);
        let feeds = Feeds::read(&variables)?;
        let settings = Settings::read(host, &variables, &feeds.anonymous())?;
        Ok(Self { settings, feeds })
    }

    /// The rules of a channel. One of no feed has those of most.
    #[must_use]
    pub fn rules(&self, channel: Option<&ChannelName>) -> Rules {
        let Settings { retention, post_rate: rate, post_burst: burst, .. } = self.settings;
        let feed = channel.and_then(|channel| self.feeds.of(channel));
        feed.map_or(Rules { retention, rate, burst }, |feed| feed.rules(&self.settings))
    }

    /// Every variable that is read, on either host.
    pub fn variables(&self) -> impl Iterator<Item = &'static str> {
        Settings::NAMES.into_iter().chain(self.feeds.variables())
    }
}
