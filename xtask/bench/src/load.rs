//! The loads. Each is bounded in count and in time, and answers its figures of one run.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;
use tokio::task::JoinSet;
use tokio::time::{interval_at, sleep, timeout};

use crate::client::{Crowd, Poster};
use crate::figure::Figure;
use crate::server::{Server, Usage};
use crate::stats::percentile;

/// What a system is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Load {
    /// Many readers come
    Connect,
    /// 20 messages a second
    Paced,
    /// Posts as fast as they are taken, over one connection
    #[value(name = "burst-1")]
    Burst1,
    /// The same over 16 connections
    #[value(name = "burst-16")]
    Burst16,
    /// Posts one after the other, with one reader
    Post,
}

/// How much of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// What is written down.
    Full,
    /// What shows in seconds where things are.
    Quick,
}

/// Bytes of the text of a message.
const TEXT: usize = 100;
/// Messages a second of a paced load, and how many connections they come by: a post that is slow delays no other.
const PACE: u32 = 20;
const PACED_POSTERS: u32 = 4;
/// The longest run of a load.
const LONGEST: Duration = Duration::from_secs(180);
/// How long deliveries may take, once all has been posted.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a server does after its readers came or left is over by then.
const CALM: Duration = Duration::from_millis(500);
/// Before anything is measured, code is compiled and buffers have grown.
const WARM_READERS: usize = 50;
const WARM_POSTS: usize = 100;

type Figures = Vec<(Figure, f64)>;

impl Load {
    pub const ALL: [Self; 5] = [Self::Connect, Self::Paced, Self::Burst1, Self::Burst16, Self::Post];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Paced => "paced",
            Self::Burst1 => "burst-1",
            Self::Burst16 => "burst-16",
            Self::Post => "post",
        }
    }

    /// What it is, in a line.
    pub fn describe(self, size: Size) -> String {
        let (readers, posts) = (self.readers(size), self.posts(size));
        match self {
            Self::Connect => format!("{readers} readers come"),
            Self::Paced => {
                format!("{readers} readers, {PACE} messages of {TEXT} bytes a second, {posts} in all")
            }
            Self::Burst1 => format!(
                "{readers} readers, {posts} posts of {TEXT} bytes over one connection, each when the one before is answered"
            ),
            Self::Burst16 => format!(
                "{readers} readers, {posts} posts of {TEXT} bytes over 16 connections at the same time"
            ),
            Self::Post => {
                format!("one reader, {posts} posts of {TEXT} bytes, each when the one before is answered")
            }
        }
    }

    const fn readers(self, size: Size) -> usize {
        match (self, size) {
            (Self::Connect, Size::Full) => 1_000,
            (Self::Connect, Size::Quick) => 500,
            (Self::Post, _) => 1,
            (_, Size::Full) => 500,
            (_, Size::Quick) => 250,
        }
    }

    const fn posts(self, size: Size) -> usize {
        match (self, size) {
            (Self::Connect, _) => 0,
            (Self::Paced, Size::Full) => 200,
            (Self::Paced, Size::Quick) => 60,
            (Self::Burst1 | Self::Burst16, Size::Full) => 300,
            (Self::Burst1 | Self::Burst16, Size::Quick) => 150,
            (Self::Post, Size::Full) => 1_000,
            (Self::Post, Size::Quick) => 500,
        }
    }

    /// # Errors
    /// When the system refuses something, or takes too long.
    pub async fn run(self, server: &Server, size: Size) -> Result<Figures> {
        let run = async {
            warm(server).await.context("it fails before the load")?;
            match self {
                Self::Connect => connect(server, self.readers(size)).await,
                Self::Paced => paced(server, self.readers(size), self.posts(size)).await,
                Self::Burst1 => burst(server, self.readers(size), self.posts(size), 1).await,
                Self::Burst16 => burst(server, self.readers(size), self.posts(size), 16).await,
                Self::Post => post(server, self.posts(size)).await,
            }
        };
        timeout(LONGEST, run).await.with_context(|| format!("it takes longer than {LONGEST:?}"))?
    }
}

async fn warm(server: &Server) -> Result<()> {
    let crowd = Crowd::open(server.system, server.port, WARM_READERS).await?;
    let mut poster = Poster::new(server.system, server.port, &crowd.tally).await?;
    for _ in 0..WARM_POSTS {
        poster.post(TEXT).await?;
    }
    crowd.tally.wait(WARM_POSTS as u64 * crowd.len(), PATIENCE).await?;
    drop(crowd);
    // A server may notice that a reader has left only when it writes to it.
    sleep(CALM).await;
    poster.post(TEXT).await?;
    sleep(CALM).await;
    Ok(())
}

async fn connect(server: &Server, readers: usize) -> Result<Figures> {
    let before = server.usage();
    let crowd = Crowd::open(server.system, server.port, readers).await?;
    sleep(CALM).await;
    let after = server.usage();
    // All of them are live: each gets what is posted now.
    let mut poster = Poster::new(server.system, server.port, &crowd.tally).await?;
    poster.post(TEXT).await?;
    crowd.tally.wait(crowd.len(), PATIENCE).await?;
    let kilobytes = after.kilobytes - before.kilobytes;
    Ok(vec![
        (Figure::CpuPerConnect, micros(before, after) / count(readers as u64)),
        (Figure::KilobytesPerReader, kilobytes / count(readers as u64)),
    ])
}

async fn paced(server: &Server, readers: usize, posts: usize) -> Result<Figures> {
    let crowd = Crowd::open(server.system, server.port, readers).await?;
    let mut posters = Vec::new();
    for _ in 0..PACED_POSTERS {
        let mut poster = Poster::new(server.system, server.port, &crowd.tally).await?;
        poster.post(TEXT).await?;
        posters.push(poster);
    }
    crowd.tally.wait(u64::from(PACED_POSTERS) * crowd.len(), PATIENCE).await?;
    sleep(CALM).await;
    crowd.tally.reset();

    let before = server.usage();
    let begin = tokio::time::Instant::now();
    let each = posts / posters.len();
    let mut posting = JoinSet::new();
    for (nth, mut poster) in (0..PACED_POSTERS).zip(posters) {
        posting.spawn_local(async move {
            let mut turns = interval_at(
                begin + nth * (Duration::from_secs(1) / PACE),
                Duration::from_secs(1) * PACED_POSTERS / PACE,
            );
            for _ in 0..each {
                turns.tick().await;
                poster.post(TEXT).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(posted) = posting.join_next().await {
        posted.context("a poster panicked")??;
    }
    let deliveries = crowd.len() * each as u64 * u64::from(PACED_POSTERS);
    crowd.tally.wait(deliveries, PATIENCE).await?;
    let after = server.usage();
    let mut figures = latencies(&crowd.tally.latencies());
    figures.push((Figure::CpuPerDelivery, micros(before, after) / count(deliveries)));
    Ok(figures)
}

async fn burst(server: &Server, readers: usize, posts: usize, connections: usize) -> Result<Figures> {
    let crowd = Crowd::open(server.system, server.port, readers).await?;
    let mut posters = Vec::new();
    for _ in 0..connections {
        let mut poster = Poster::new(server.system, server.port, &crowd.tally).await?;
        poster.post(TEXT).await?;
        posters.push(poster);
    }
    crowd.tally.wait(connections as u64 * crowd.len(), PATIENCE).await?;
    sleep(CALM).await;
    crowd.tally.reset();

    let before = server.usage();
    let began = Instant::now();
    let mut posting = JoinSet::new();
    for (nth, mut poster) in posters.into_iter().enumerate() {
        let share = (posts + nth) / connections;
        posting.spawn_local(async move {
            for _ in 0..share {
                poster.post(TEXT).await?;
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
    let after = server.usage();
    let mut figures = latencies(&crowd.tally.latencies());
    figures.push((Figure::CpuPerDelivery, micros(before, after) / count(deliveries)));
    figures.push((Figure::DeliveriesPerSecond, count(deliveries) / took.as_secs_f64()));
    Ok(figures)
}

async fn post(server: &Server, posts: usize) -> Result<Figures> {
    let crowd = Crowd::open(server.system, server.port, 1).await?;
    let mut poster = Poster::new(server.system, server.port, &crowd.tally).await?;
    let mut times = Vec::new();
    let before = server.usage();
    for _ in 0..posts {
        let began = Instant::now();
        poster.post(TEXT).await?;
        times.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    let after = server.usage();
    crowd.tally.wait(posts as u64, PATIENCE).await?;
    times.sort_unstable();
    let mut figures = latencies(&times);
    figures.push((Figure::CpuPerPost, micros(before, after) / count(posts as u64)));
    Ok(figures)
}

/// Microseconds of CPU between the two.
fn micros(before: Usage, after: Usage) -> f64 {
    (after.cpu_secs - before.cpu_secs) * 1e6
}

fn latencies(sorted: &[u32]) -> Figures {
    let at = |percent| percentile(sorted, percent).map(|micros| f64::from(micros) / 1_000.0);
    [(Figure::P50, at(50.0)), (Figure::P99, at(99.0))]
        .into_iter()
        .filter_map(|(figure, at)| Some((figure, at?)))
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "there are less than 2^52")]
const fn count(number: u64) -> f64 {
    number as f64
}
