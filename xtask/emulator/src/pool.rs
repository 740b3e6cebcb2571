//! Which process takes an event.

use std::cell::RefCell;
use std::rc::Rc;

use anyhow::Result;
use tokio::sync::oneshot;

use crate::Arguments;
use crate::environment::Environment;
use crate::invocation::{Answer, Job};

/// All processes, the one that was used last behind the others.
pub struct Pool {
    arguments: Arguments,
    environments: RefCell<Vec<Rc<Environment>>>,
    /// Those that are being started.
    starting: RefCell<usize>,
}

impl Pool {
    pub const fn new(arguments: Arguments) -> Self {
        Self { arguments, environments: RefCell::new(Vec::new()), starting: RefCell::new(0) }
    }

    /// Gives the event to a process that has nothing to do, or to a new one. `None` where neither is to be had.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub async fn invoke(&self, job: Job) -> Result<Option<oneshot::Receiver<Answer>>> {
        let free = {
            let mut environments = self.environments.borrow_mut();
            environments.retain(|environment| environment.is_alive());
            let free = environments.iter().rposition(|environment| environment.is_free());
            free.map(|at| environments.remove(at))
        };
        let environment = match free {
            Some(environment) => environment,
            None if self.environments.borrow().len() + *self.starting.borrow()
                >= self.arguments.concurrency =>
            {
                return Ok(None);
            }
            None => {
                *self.starting.borrow_mut() += 1;
                let started = Environment::start(&self.arguments).await;
                *self.starting.borrow_mut() -= 1;
                started?
            }
        };
        self.environments.borrow_mut().push(environment.clone());
        Ok(Some(environment.invoke(job)))
    }

    pub fn kill_all(&self) {
        self.environments.borrow().iter().for_each(|environment| environment.kill());
    }
}
