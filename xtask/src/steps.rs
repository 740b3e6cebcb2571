//! What takes long: who does what now, and for how long. Steps that do not need each other run side by side.

use std::sync::{Mutex, MutexGuard, Once};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

/// A step that is over sooner is not worth a line.
const LONG: Duration = Duration::from_secs(1);
/// How often those that still run are listed.
const LIST_EVERY: Duration = Duration::from_secs(15);

struct Step {
    what: &'static str,
    since: Instant,
    is_announced: bool,
}

static RUNNING: Mutex<Vec<Step>> = Mutex::new(Vec::new());

/// Does it, and says so if it takes long.
///
/// # Errors
/// That of `run`. It is shown at once, because other steps may still take minutes.
pub fn step<T>(what: &'static str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    static START: Once = Once::new();
    START.call_once(|| drop(thread::spawn(tell)));
    running().push(Step { what, since: Instant::now(), is_announced: false });
    let result = run();
    let mut running = running();
    let Some(at) = running.iter().position(|step| step.what == what) else { return result };
    let Step { since, is_announced, .. } = running.remove(at);
    let seconds = since.elapsed().as_secs();
    match &result {
        Ok(_) if is_announced => eprintln!("{seconds:>4} s  done: {what}"),
        Err(error) if !running.is_empty() => eprintln!("{seconds:>4} s  failed: {what}: {error:#}"),
        _ => {}
    }
    result
}

/// Does both at the same time, and waits for both.
///
/// # Errors
/// The first one's, else the other's.
pub fn side_by_side<A, B: Send>(
    one: impl FnOnce() -> Result<A>,
    other: impl FnOnce() -> Result<B> + Send,
) -> Result<(A, B)> {
    thread::scope(|scope| {
        let other = scope.spawn(other);
        let one = one();
        let other = other.join().unwrap_or_else(|_| Err(anyhow!("a step panicked")));
        Ok((one?, other?))
    })
}

/// Prints for ever what is being done.
fn tell() {
    let mut listed = Instant::now();
    loop {
        thread::sleep(LONG / 4);
        let mut running = running();
        for step in running.iter_mut().filter(|step| !step.is_announced && step.since.elapsed() >= LONG) {
            step.is_announced = true;
            listed = Instant::now();
            eprintln!("        {}", step.what);
        }
        if listed.elapsed() >= LIST_EVERY && !running.is_empty() {
            listed = Instant::now();
            let list =
                running.iter().map(|step| format!("{} ({} s)", step.what, step.since.elapsed().as_secs()));
            eprintln!("        still: {}", list.collect::<Vec<_>>().join("; "));
        }
    }
}

fn running() -> MutexGuard<'static, Vec<Step>> {
    RUNNING.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use anyhow::{Result, bail};

    use super::{side_by_side, step};

    #[test]
    fn both_are_done_also_when_one_fails() {
        let mut done = false;
        let fail = || -> Result<()> { bail!("the first error") };
        let other = || {
            done = true;
            Ok(())
        };
        let error = side_by_side(|| step("one", fail), || step("other", other)).unwrap_err();
        assert_eq!(error.to_string(), "the first error");
        assert!(done);
        assert_eq!(side_by_side(|| Ok(1), || Ok(2)).unwrap(), (1, 2));
    }
}
