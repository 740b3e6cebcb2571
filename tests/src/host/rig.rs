//! A Worker on the bench: the built one in real workerd, with hands on its channels.

use std::ops::Deref;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::time::{Duration, Instant, sleep, timeout};

use super::{Folder, Host};
use crate::client::PATIENCE;

/// What becomes of the sockets of an object that is evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sockets {
    /// They stay open, and the next event wakes a new object under them.
    Hibernate,
    /// They are closed.
    Close,
}

/// What ages in the storage of a channel: tables, their times, and in what part of a millisecond those are.
const TIMES: [(&str, &str, u128); 3] =
    [("entries", "time", 1), ("keys", "time", 1), ("buckets", "full_at", 1_000)];

/// A host whose channels can be looked at and broken, by tests/node/worker.mjs. Channels are named as in the core.
#[derive(Debug)]
pub struct Rig {
    // Before the host: it ends when its input does.
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    host: Host,
}

impl Deref for Rig {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl Rig {
    pub async fn start(vars: &[(&str, &str)]) -> Self {
        let script = "tests/node/worker.mjs";
        let mut host = Host::serve(script, |_| Stdio::piped(), vars, &Folder::new()).await;
        let child = host.child.as_mut().expect("a host that was just started runs");
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let commands = ChildStdin::from_std(stdin.expect("its input is a pipe")).expect("a pipe");
        let answers = ChildStdout::from_std(stdout.expect("its output is a pipe")).expect("a pipe");
        let mut rig = Self { commands, answers: BufReader::new(answers).lines(), host };
        rig.answer().await;
        rig
    }

    /// Evicts the object of a channel from memory, as the platform does with one that is idle or is deployed anew.
    pub async fn evict(&mut self, channel: &str, sockets: Sockets) {
        let sockets = match sockets {
            Sockets::Hibernate => "hibernate",
            Sockets::Close => "close",
        };
        self.ask(json!({ "do": "evict", "channel": channel, "webSockets": sockets })).await;
    }

    /// Crashes the object of a channel.
    pub async fn crash(&mut self, channel: &str) {
        self.ask(json!({ "do": "crash", "channel": channel })).await;
    }

    /// Makes the next stream that is opened end the wasm of its isolate, as a panic does.
    pub async fn fail(&mut self) {
        self.ask(json!({ "do": "fail" })).await;
    }

    /// How many large chunks went to readers in the very buffer in which a channel sent them, and how many as copies.
    pub async fn chunks(&mut self) -> (u64, u64) {
        let chunks = self.ask(json!({ "do": "chunks" })).await;
        let count = |name: &str| chunks[name].as_u64().unwrap_or_else(|| panic!("{chunks}"));
        (count("passed"), count("copied"))
    }

    /// Makes these, `commands` or `messages`, pass between the Worker and its channels as if they were of another version;
    /// with anything else, none.
    pub async fn differ(&mut self, what: &str) {
        self.ask(json!({ "do": "differ", "value": what })).await;
    }

    /// Cuts the next stream that is opened off: nothing of its request happens after its first block. The platform does so with
    /// a request that has used up its time, and tells nobody.
    pub async fn cut_off(&mut self) {
        self.ask(json!({ "do": "cutOff" })).await;
    }

    /// Forbids that what happens in the request of one stream writes to the body of another one.
    pub async fn forbid(&mut self) {
        self.ask(json!({ "do": "forbid" })).await;
    }

    /// Makes the next object of a channel slow to start.
    pub async fn stall(&mut self, channel: &str, by: Duration) {
        self.ask(json!({ "do": "stall", "channel": channel, "value": by.as_millis().to_string() })).await;
    }

    /// How many sockets a channel holds. Asking wakes it.
    pub async fn sockets(&mut self, channel: &str) -> u64 {
        self.number(json!({ "do": "sockets", "channel": channel })).await
    }

    /// How many entries a channel stores, kept or not. Asking wakes it.
    pub async fn entries(&mut self, channel: &str) -> u64 {
        let counted = self.sql(channel, "SELECT count(*) AS n FROM entries").await;
        counted[0]["n"].as_u64().unwrap_or_else(|| panic!("{counted}"))
    }

    /// What a statement of SQL answers in the storage of a channel: its rows. Asking wakes it.
    pub async fn sql(&mut self, channel: &str, statement: &str) -> Value {
        self.ask(json!({ "do": "sql", "channel": channel, "value": statement })).await
    }

    /// Makes the storage of a channel refuse such writes from now on (`INSERT ON keys`), as one that is full does.
    pub async fn refuse(&mut self, channel: &str, write: &str) {
        let trigger = format!(
            "CREATE TRIGGER refusal BEFORE {write} BEGIN SELECT RAISE(ABORT, 'a refusal that a test asked for'); END"
        );
        self.sql(channel, &trigger).await;
    }

    /// Makes the next alarm that a channel sets fail.
    pub async fn fail_alarm(&mut self, channel: &str) {
        self.ask(json!({ "do": "alarmless", "channel": channel })).await;
    }

    /// When the alarm of a channel is due, in unix ms; 0 if it has none. Asking wakes it.
    pub async fn alarm(&mut self, channel: &str) -> u64 {
        self.number(json!({ "do": "hurry", "channel": channel, "value": "0" })).await
    }

    /// Makes all that a channel stores older by this time, and its alarm so much earlier.
    pub async fn pass(&mut self, channel: &str, time: Duration) {
        let millis = time.as_millis();
        let tables = self.tables(channel).await;
        for (table, column, parts) in
            TIMES.into_iter().filter(|(table, ..)| tables.iter().any(|t| t == table))
        {
            let by = millis * parts;
            self.sql(channel, &format!("UPDATE {table} SET {column} = {column} - {by}")).await;
        }
        // The object knows by heart when its newest entry was stored.
        self.evict(channel, Sockets::Hibernate).await;
        self.ask(json!({ "do": "hurry", "channel": channel, "value": millis.to_string() })).await;
    }

    /// The tables of a channel, but for those of the platform. Asking wakes it.
    pub async fn tables(&mut self, channel: &str) -> Vec<String> {
        let tables =
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf_*' ORDER BY name";
        let rows = self.sql(channel, tables).await;
        let rows = rows.as_array().unwrap_or_else(|| panic!("{rows}"));
        rows.iter().map(|row| row["name"].as_str().expect("a table has a name").to_owned()).collect()
    }

    /// Makes it take them again.
    pub async fn relent(&mut self, channel: &str) {
        self.sql(channel, "DROP TRIGGER refusal").await;
    }

    /// How many objects this channel has been so far. Asking does not wake it.
    pub async fn instances(&mut self, channel: &str) -> u64 {
        self.number(json!({ "do": "instances", "channel": channel })).await
    }

    /// How many timers run in the isolate: one for each open stream, and one for each question that waits.
    pub async fn timers(&mut self) -> u64 {
        self.number(json!({ "do": "timers" })).await
    }

    /// Waits until a channel has so many sockets and the isolate so many timers, and says how long that took.
    pub async fn settle(&mut self, channel: &str, sockets: u64, timers: u64) -> Duration {
        let started = Instant::now();
        loop {
            let found = (self.sockets(channel).await, self.timers().await);
            if found == (sockets, timers) {
                return started.elapsed();
            }
            assert!(
                started.elapsed() < PATIENCE,
                "(sockets, timers) stay {found:?}, not {sockets}, {timers}"
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn number(&mut self, command: Value) -> u64 {
        let answer = self.ask(command.clone()).await;
        answer.as_u64().unwrap_or_else(|| panic!("{command}: {answer}"))
    }

    async fn ask(&mut self, command: Value) -> Value {
        self.commands.write_all(format!("{command}\n").as_bytes()).await.expect("the host listens");
        let mut answer = self.answer().await;
        assert!(answer.get("error").is_none(), "{command}: {answer}");
        answer["ok"].take()
    }

    /// The next line that is an answer: workerd logs to the same pipe.
    async fn answer(&mut self) -> Value {
        let answer = async {
            loop {
                let line = self.answers.next_line().await.expect("a pipe").expect("the host runs");
                match serde_json::from_str::<Value>(&line) {
                    Ok(answer) if answer.is_object() => return answer,
                    _ => eprintln!("{line}"),
                }
            }
        };
        timeout(PATIENCE, answer).await.expect("the host answers commands")
    }
}
