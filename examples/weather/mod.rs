//! The weather feed: what stations measure. An example of a feed of one's own.

use http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Drafts, Endpoint, Feed, Posted, Query, Reading};
use crate::json::{self, InvalidBody};
use crate::log::{ChannelName, Draft, Filter, Text};
use crate::problem::Problem;
use crate::settings::{BadSetting, Variables};

/// Characters of a station's name.
pub const STATION_CHARS: usize = 32;
/// Stations that one stream may choose.
pub const STATIONS: usize = 16;
/// Kept measurements that a reader may ask for on its first connect.
pub const HISTORY: u32 = 100;

/// The feed.
#[derive(Clone, Copy, Debug)]
pub struct Weather;

/// The feed, which has no settings of its own.
///
/// # Errors
/// None.
pub fn feed(_: &Variables) -> Result<Box<dyn Feed>, BadSetting> {
    Ok(Box::new(Weather))
}

#[derive(Deserialize)]
struct Body {
    station: Option<Box<RawValue>>,
    celsius: Option<f64>,
}

fn station(name: &str) -> Result<String, String> {
    let fits = (1..=STATION_CHARS).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase());
    fits.then(|| name.to_owned()).ok_or(format!("must be 1 to {STATION_CHARS} of a-z"))
}

impl Feed for Weather {
    fn name(&self) -> &'static str {
        "weather"
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &[
            (Method::GET, "/api/weather", "stream of measurements"),
            (Method::POST, "/api/weather", "publish a measurement"),
        ]
    }

    fn anonymous(&self) -> &'static str {
        "subscribe weather"
    }

    fn lists(&self) -> &'static [&'static str] {
        &["stations"]
    }

    fn reading(&self, query: &Query) -> Result<Reading, Problem> {
        let filter = query.list("stations", STATIONS, station)?.map_or(Filter::ALL, Filter::keys);
        Ok(Reading::entries(filter, query.number("history", &(0..=HISTORY), 0)?))
    }

    fn post(&self, _: &ChannelName, posted: &Posted<'_>) -> Result<Drafts, Problem> {
        let body: Body = json::object(posted.body)?;
        let name = json::string("station", body.station.as_deref())?;
        let name = station(&name).map_err(InvalidBody::field("station"))?;
        let celsius =
            body.celsius.ok_or("is missing; it must be a number").map_err(InvalidBody::field("celsius"))?;
        let measured =
            Text::object().id("id").field("station", &name).field("celsius", &celsius).time("time");
        Ok(Draft::new(measured).with_key(&name).into())
    }

    fn list(&self) -> &'static str {
        "measurements"
    }
}
