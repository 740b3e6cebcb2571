//! What a delivery takes when there is more of everything.

use anyhow::Result;

use super::talk::pace;
use super::{Figures, room};
use crate::figure::Figure;
use crate::server::Server;
use crate::system::Talk;

/// Readers of the same number of messages.
pub const FEWEST_READERS: usize = 125;
pub const MOST_READERS: usize = 2_000;
/// Messages to the same number of readers, in the same time.
pub const FEW: usize = 20;
pub const MANY: usize = 160;
const READERS: usize = 500;
/// Messages a second, of few; all systems can follow.
const RATE: u32 = 4;

pub async fn growth(server: &Server) -> Result<Figures> {
    let [few, most] = [of(server, FEWEST_READERS, 1).await?, of(server, MOST_READERS, 1).await?];
    let [once, more] = [of(server, READERS, 1).await?, of(server, READERS, MANY / FEW).await?];
    Ok(vec![(Figure::GrowthReaders, most / few), (Figure::GrowthMessages, more / once)])
}

/// The CPU for each delivery to so many readers, with so many times the messages.
async fn of(server: &Server, readers: usize, times: usize) -> Result<f64> {
    let (crowd, posters) = room(server.target(Talk::Chat), readers, 1).await?;
    pace(server, &crowd, posters, RATE * u32::try_from(times)?, FEW * times).await
}
