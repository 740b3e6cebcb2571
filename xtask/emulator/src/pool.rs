//! Which process serves.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::environment::Function;
use crate::journal::Journal;
use crate::launch;
use crate::process::Process;

/// How long processes that were killed may take to be gone.
const END: Duration = Duration::from_secs(1);

/// The processes.
#[derive(Debug)]
pub struct Pool {
    pub function: Function,
    pub journal: Journal,
    processes: RefCell<Vec<Rc<Process>>>,
}

/// Why no process can be had.
#[derive(Debug)]
pub enum Refusal {
    /// All are busy: 429.
    Busy,
    /// None can be started: 502.
    Broken(anyhow::Error),
}

impl Pool {
    pub fn new(function: Function, journal: Journal) -> Self {
        Self { function, journal, processes: RefCell::default() }
    }

    /// A process with room for an invocation: of those that are there the one that was used last, or else a new one.
    ///
    /// It never waits. Function URLs do not queue: with no environment left, the answer is a 429
    /// ([documented](https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html) as throttling).
    ///
    /// # Errors
    /// When all are busy, or a new one cannot be started.
    pub fn acquire(&self) -> Result<Lease, Refusal> {
        let mut processes = self.processes.borrow_mut();
        processes.retain(|process| process.is_usable());
        let found =
            processes.iter().filter(|process| process.has_room()).max_by_key(|process| process.used());
        let process = match found.cloned() {
            Some(process) => process,
            None if processes.len() >= self.function.concurrency => return Err(Refusal::Busy),
            None => {
                let process = launch::start(&self.function, &self.journal).map_err(Refusal::Broken)?;
                processes.push(Rc::clone(&process));
                process
            }
        };
        process.occupy();
        Ok(Lease { process })
    }

    /// Kills every process and waits until they are gone.
    pub async fn end(&self) {
        let processes = self.processes.take();
        processes.iter().for_each(|process| process.kill());
        let gone = async {
            for process in &processes {
                process.gone().await;
            }
        };
        let _ = tokio::time::timeout(END, gone).await;
    }
}

/// The right to one invocation, given back when dropped.
#[derive(Debug)]
pub struct Lease {
    pub process: Rc<Process>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.process.release();
    }
}
