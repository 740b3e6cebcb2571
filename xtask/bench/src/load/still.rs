//! Loads in which somebody stands still: readers who read nothing, rooms in which nothing is said, and readers who are
//! cut off.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::sleep;

use super::talk::burst;
use super::{CALM, Figures, PATIENCE, TEXT, count, micros, room};
use crate::client::{Poster, stalled as stalled_reader};
use crate::figure::Figure;
use crate::server::Server;
use crate::system::{Runtime, Talk};

/// Readers who read nothing. What they take up is divided by their number: of one alone it would be lost in the noise.
pub const STALLED: usize = 20;
/// Objects that may sleep do so after ten seconds.
pub const SILENCE: Duration = Duration::from_secs(60);
/// What is freed is free by then.
const REST: Duration = Duration::from_secs(2);

/// The same twice: without and with readers who stand still.
pub async fn stalled(server: &Server, readers: usize, posts: usize) -> Result<Figures> {
    let target = server.target(Talk::Data);
    burst(server, target, readers, posts, 1).await?;
    sleep(REST).await;
    let before = server.usage();
    let mut still = Vec::new();
    for _ in 0..STALLED {
        still.push(stalled_reader(target).await?);
    }
    sleep(CALM).await;
    let mut figures = burst(server, target, readers, posts, 1).await?;
    sleep(REST).await;
    let kilobytes = (server.usage().kilobytes - before.kilobytes).max(0.0);
    figures.push((Figure::HeldBytes, kilobytes * 1024.0 / count(STALLED as u64)));
    Ok(figures)
}

pub async fn idle(server: &Server, readers: usize) -> Result<Figures> {
    let target = server.target(Talk::Chat);
    let (crowd, _posters) = room(target, readers, 1).await?;
    let made = objects(server).await?;
    let before = server.usage();
    sleep(SILENCE).await;
    let used = micros(before, server.usage());
    let mut figures = vec![(Figure::CpuPerMinute, used / 1_000.0 * 60.0 / SILENCE.as_secs_f64())];
    // All are still there, and a new object says that the one before it slept.
    Poster::new(target, &crowd.tally).await?.post(TEXT).await?;
    crowd.tally.wait(crowd.len(), PATIENCE).await?;
    if let (Some(before), Some(after)) = (made, objects(server).await?) {
        figures.push((Figure::Slept, f64::from(u8::from(after > before))));
    }
    Ok(figures)
}

pub async fn storm(server: &Server, readers: usize) -> Result<Figures> {
    let target = server.target(Talk::Chat);
    let (mut crowd, mut posters) = room(target, readers, 1).await?;
    let asked = requests(server).await?;
    let began = Instant::now();
    crowd.leave();
    crowd.join(target, readers, readers).await?;
    posters[0].post(TEXT).await?;
    crowd.tally.wait(crowd.len(), PATIENCE).await?;
    let mut figures = vec![(Figure::LiveAgain, began.elapsed().as_secs_f64() * 1_000.0)];
    if let (Some(before), Some(after)) = (asked, requests(server).await?) {
        // The post is one of them.
        figures.push((Figure::ObjectRequests, after - before - 1.0));
    }
    Ok(figures)
}

/// The objects that a Worker has made.
async fn objects(server: &Server) -> Result<Option<f64>> {
    Ok(if server.system.runtime() == Runtime::Workerd { Some(server.counts().await?.0) } else { None })
}

/// The requests that they have had.
async fn requests(server: &Server) -> Result<Option<f64>> {
    Ok(if server.system.runtime() == Runtime::Workerd { Some(server.counts().await?.1) } else { None })
}
