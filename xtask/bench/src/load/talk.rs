//! Loads in which readers come and messages are posted.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio::time::{interval_at, sleep};

use super::{BIG, CALM, Figures, PACE, PATIENCE, TEXT, count, micros, room};
use crate::client::{Crowd, Poster};
use crate::figure::Figure;
use crate::server::Server;
use crate::stats::percentile;
use crate::system::{Talk, Target};

/// Connections of a paced load: a post that is slow delays no other.
const PACED_POSTERS: usize = 4;

pub async fn connect(server: &Server, readers: usize) -> Result<Figures> {
    let target = server.target(Talk::Chat);
    let before = server.usage();
    let crowd = Crowd::open(target, readers).await?;
    sleep(CALM).await;
    let after = server.usage();
    // All of them are live: each gets what is posted now.
    Poster::new(target, &crowd.tally).await?.post(TEXT).await?;
    crowd.tally.wait(crowd.len(), PATIENCE).await?;
    let kilobytes = after.kilobytes - before.kilobytes;
    Ok(vec![
        (Figure::CpuPerConnect, micros(before, after) / count(crowd.len())),
        (Figure::KilobytesPerReader, kilobytes / count(crowd.len())),
    ])
}

pub async fn paced(server: &Server, readers: usize, posts: usize) -> Result<Figures> {
    let (crowd, posters) = room(server.target(Talk::Chat), readers, PACED_POSTERS).await?;
    let cpu = pace(server, &crowd, posters, PACE, posts).await?;
    let mut figures = latencies(&crowd.tally.latencies());
    figures.push((Figure::CpuPerDelivery, cpu));
    Ok(figures)
}

/// Lets posters in turn post so many messages a second, and answers the CPU for each delivery.
pub async fn pace(
    server: &Server,
    crowd: &Crowd,
    posters: Vec<Poster>,
    rate: u32,
    posts: usize,
) -> Result<f64> {
    let (share, connections) = (posts / posters.len(), u32::try_from(posters.len())?);
    let before = server.usage();
    let begin = tokio::time::Instant::now();
    let mut posting = JoinSet::new();
    for (nth, mut poster) in (0..).zip(posters) {
        posting.spawn_local(async move {
            let second = Duration::from_secs(1);
            let mut turns = interval_at(begin + second * nth / rate, second * connections / rate);
            for _ in 0..share {
                turns.tick().await;
                poster.post(TEXT).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(posted) = posting.join_next().await {
        posted.context("a poster panicked")??;
    }
    let deliveries = crowd.len() * share as u64 * u64::from(connections);
    crowd.tally.wait(deliveries, PATIENCE).await?;
    Ok(micros(before, server.usage()) / count(deliveries))
}

pub async fn burst(
    server: &Server,
    target: Target,
    readers: usize,
    posts: usize,
    connections: usize,
) -> Result<Figures> {
    let bytes = match target.talk {
        Talk::Chat => TEXT,
        Talk::Data => BIG,
    };
    let (crowd, posters) = room(target, readers, connections).await?;
    let before = server.usage();
    let began = Instant::now();
    let mut posting = JoinSet::new();
    for (nth, mut poster) in posters.into_iter().enumerate() {
        let share = (posts + nth) / connections;
        posting.spawn_local(async move {
            for _ in 0..share {
                poster.post(bytes).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(posted) = posting.join_next().await {
        posted.context("a poster panicked")??;
    }
    let deliveries = crowd.len() * posts as u64;
    crowd.tally.wait(deliveries, PATIENCE).await?;
    let took = began.elapsed();
    let mut figures = latencies(&crowd.tally.latencies());
    figures.push((Figure::CpuPerDelivery, micros(before, server.usage()) / count(deliveries)));
    figures.push((Figure::DeliveriesPerSecond, count(deliveries) / took.as_secs_f64()));
    Ok(figures)
}

pub async fn post(server: &Server, posts: usize) -> Result<Figures> {
    let (crowd, mut posters) = room(server.target(Talk::Chat), 1, 1).await?;
    let mut times = Vec::new();
    let before = server.usage();
    for _ in 0..posts {
        let began = Instant::now();
        posters[0].post(TEXT).await?;
        times.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    let after = server.usage();
    crowd.tally.wait(posts as u64, PATIENCE).await?;
    times.sort_unstable();
    let mut figures = latencies(&times);
    figures.push((Figure::CpuPerPost, micros(before, after) / count(posts as u64)));
    Ok(figures)
}

fn latencies(sorted: &[u32]) -> Figures {
    let at = |percent| percentile(sorted, percent).map(|micros| f64::from(micros) / 1_000.0);
    let all = [(Figure::P50, at(50.0)), (Figure::P99, at(99.0))];
    all.into_iter().filter_map(|(figure, at)| Some((figure, at?))).collect()
}
