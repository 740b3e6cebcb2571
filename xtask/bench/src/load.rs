//! The loads. Each is bounded in count and in time, and answers its figures of one run.

mod growth;
mod still;
mod talk;

use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use tokio::time::{sleep, timeout};

use self::growth::{FEW, FEWEST_READERS, MANY, MOST_READERS};
use self::still::{SILENCE, STALLED};
use crate::client::{Crowd, Poster};
use crate::figure::Figure;
use crate::server::{Server, Usage};
use crate::system::{Talk, Target};

/// What a system is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Load {
    Connect,
    Paced,
    #[value(name = "burst-1")]
    Burst1,
    #[value(name = "burst-16")]
    Burst16,
    Post,
    Big,
    Stalled,
    Idle,
    Growth,
    Storm,
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
/// And of one that is long: with what is around it, 16 KiB.
const BIG: usize = 16 * 1024 - 256;
/// Messages a second of a paced load.
const PACE: u32 = 20;
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
    pub const ALL: [Self; 10] = [
        Self::Connect,
        Self::Paced,
        Self::Burst1,
        Self::Burst16,
        Self::Post,
        Self::Big,
        Self::Stalled,
        Self::Idle,
        Self::Growth,
        Self::Storm,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Paced => "paced",
            Self::Burst1 => "burst-1",
            Self::Burst16 => "burst-16",
            Self::Post => "post",
            Self::Big => "big",
            Self::Stalled => "stalled",
            Self::Idle => "idle",
            Self::Growth => "growth",
            Self::Storm => "storm",
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
            Self::Burst16 => {
                format!("{readers} readers, {posts} posts of {TEXT} bytes over 16 connections at once")
            }
            Self::Post => {
                format!("one reader, {posts} posts of {TEXT} bytes, each when the one before is answered")
            }
            Self::Big => format!("{readers} readers, {posts} posts of 16 KiB over one connection"),
            Self::Stalled => format!(
                "{readers} readers and {STALLED} that read nothing, {posts} posts of 16 KiB; the memory for each of those"
            ),
            Self::Idle => format!("{readers} readers and {} seconds of silence", SILENCE.as_secs()),
            Self::Growth => format!(
                "CPU per delivery with {MOST_READERS} readers by that with {FEWEST_READERS}, and with {MANY} messages by that with {FEW}"
            ),
            Self::Storm => format!("{readers} readers are cut off and come back at once"),
        }
    }

    /// Whether the servers of this load count what their objects are asked.
    pub const fn counts(self) -> bool {
        matches!(self, Self::Idle | Self::Storm)
    }

    const fn readers(self, size: Size) -> usize {
        match (self, size) {
            (Self::Post, _) => 1,
            (Self::Connect | Self::Idle | Self::Storm, Size::Full) => 1_000,
            (Self::Connect, Size::Quick) | (_, Size::Full) => 500,
            (_, Size::Quick) => 250,
        }
    }

    const fn posts(self, size: Size) -> usize {
        match (self, size) {
            (Self::Connect | Self::Idle | Self::Growth | Self::Storm, _) => 0,
            (Self::Paced, Size::Full) => 200,
            (Self::Paced, Size::Quick) => 60,
            (Self::Burst1 | Self::Burst16, Size::Full) => 300,
            (Self::Burst1 | Self::Burst16, Size::Quick) => 150,
            (Self::Post, Size::Full) => 1_000,
            (Self::Post, Size::Quick) => 500,
            (Self::Big, _) => 100,
            (Self::Stalled, _) => 200,
        }
    }

    /// # Errors
    /// When the system refuses something, or takes too long.
    pub async fn run(self, server: &Server, size: Size) -> Result<Figures> {
        let (readers, posts) = (self.readers(size), self.posts(size));
        let [chat, data] = [Talk::Chat, Talk::Data].map(|talk| server.target(talk));
        let run = async {
            warm(chat).await.context("it fails before the load")?;
            match self {
                Self::Connect => talk::connect(server, readers).await,
                Self::Paced => talk::paced(server, readers, posts).await,
                Self::Burst1 => talk::burst(server, chat, readers, posts, 1).await,
                Self::Burst16 => talk::burst(server, chat, readers, posts, 16).await,
                Self::Post => talk::post(server, posts).await,
                Self::Big => talk::burst(server, data, readers, posts, 1).await,
                Self::Stalled => still::stalled(server, readers, posts).await,
                Self::Idle => still::idle(server, readers).await,
                Self::Growth => growth::growth(server).await,
                Self::Storm => still::storm(server, readers).await,
            }
        };
        timeout(LONGEST, run).await.with_context(|| format!("it takes longer than {LONGEST:?}"))?
    }
}

async fn warm(target: Target) -> Result<()> {
    let (crowd, mut posters) = room(target, WARM_READERS, 1).await?;
    for _ in 0..WARM_POSTS {
        posters[0].post(TEXT).await?;
    }
    crowd.tally.wait(WARM_POSTS as u64 * crowd.len(), PATIENCE).await?;
    drop(crowd);
    // A server may notice that a reader has left only when it writes to it.
    sleep(CALM).await;
    posters[0].post(TEXT).await?;
    sleep(CALM).await;
    Ok(())
}

/// Readers, all of whom are live, and connections of posters, each of which has been used. What is counted begins now.
async fn room(target: Target, readers: usize, connections: usize) -> Result<(Crowd, Vec<Poster>)> {
    let crowd = Crowd::open(target, readers).await?;
    let mut posters = Vec::new();
    for _ in 0..connections {
        let mut poster = Poster::new(target, &crowd.tally).await?;
        poster.post(TEXT).await?;
        posters.push(poster);
    }
    crowd.tally.wait(connections as u64 * crowd.len(), PATIENCE).await?;
    sleep(CALM).await;
    crowd.tally.reset();
    Ok((crowd, posters))
}

/// Microseconds of CPU between the two.
fn micros(before: Usage, after: Usage) -> f64 {
    (after.cpu_secs - before.cpu_secs) * 1e6
}

#[expect(clippy::cast_precision_loss, reason = "there are less than 2^52")]
const fn count(number: u64) -> f64 {
    number as f64
}
