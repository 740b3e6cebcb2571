//! What happens, on standard output: one JSON object a line.

use std::io::Write;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result};
use serde::Serialize;

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The function's answer came to its end.
    Complete,
    /// The deadline came first.
    Timeout,
    /// The process ended first.
    Crash,
    /// The client left, and the process was reaped.
    Reaped,
    /// The function reported an error, broke off its answer, or was never ready.
    Error,
}

/// One line.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Entry {
    /// Clients are served from now on. It is the first line.
    Listening { port: u16 },
    /// A process was started.
    Start { pid: u32 },
    /// It asked for its first event, this long after its start.
    Ready { pid: u32, micros: u64 },
    /// It took the event of this request.
    Invoke { pid: u32, request: String },
    /// It is done with the request, this long after the event was there for it to take. Without an `invoke` before
    /// it, the process failed in its init, and the time is what was waited for that.
    End { pid: u32, request: String, outcome: Outcome, millis: u64 },
    /// It is gone.
    Exit { pid: u32, status: String },
}

/// Writes entries, each flushed.
///
/// A thread does it, so a reader that lags holds up nobody; until it reads, lines of about 150 bytes wait in memory.
#[derive(Clone, Debug)]
pub struct Journal(mpsc::Sender<Entry>);

impl Journal {
    /// # Errors
    /// When no thread can be started.
    pub fn start() -> Result<Self> {
        let (sender, entries) = mpsc::channel::<Entry>();
        let write = move || {
            for entry in entries {
                let Ok(mut line) = serde_json::to_vec(&entry) else { continue };
                line.push(b'\n');
                let mut output = std::io::stdout().lock();
                // Nobody reads it any more; the emulator is told so by its standard input.
                if output.write_all(&line).and_then(|()| output.flush()).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("journal".to_owned()).spawn(write).context("cannot start a thread")?;
        Ok(Self(sender))
    }

    pub fn log(&self, entry: Entry) {
        let _ = self.0.send(entry);
    }
}
