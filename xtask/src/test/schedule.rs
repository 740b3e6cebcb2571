//! Runs programs that depend on each other, as many at once as the machine has cores.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::process::Group;

/// How soon the end of a program is seen.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often a run without news says what it is at.
const SAY_EVERY: Duration = Duration::from_secs(30);
/// Programs at once on a machine of one core: one computes while the other waits.
const AT_ONCE_MIN: usize = 2;
/// Programs at once on a machine of many cores: each host test has a crowd of processes of its own.
const AT_ONCE_MAX: usize = 4;

/// What a program mostly does. One that computes and one that waits disturb each other least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// It keeps the cores busy, as a compiler does.
    Computes,
    /// It waits for hosts and clocks, as most tests of a host do.
    Waits,
}

/// A program to run.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    pub name: &'static str,
    /// The tasks that must have passed before. Each of them stands earlier in the list.
    pub after: &'static [&'static str],
    pub load: Load,
    /// The folder that cargo locks for it. One that computes holds the lock for most of its time, and one that waits takes it
    /// as it starts. Whoever waits for a lock takes the place of one that could run.
    pub lock: Option<&'static str>,
}

/// How a task went.
#[derive(Debug)]
pub struct Outcome {
    pub name: &'static str,
    pub took: Duration,
    /// All that it printed.
    pub log: PathBuf,
    /// Why it failed; `None` if it passed.
    pub failure: Option<String>,
}

struct Running {
    task: Task,
    group: Group,
    started: Instant,
    log: PathBuf,
}

/// How many programs run at once on this machine.
pub fn at_once() -> usize {
    thread::available_parallelism().map_or(AT_ONCE_MIN, usize::from).clamp(AT_ONCE_MIN, AT_ONCE_MAX)
}

/// Runs all tasks and tells `ended` of each when it ends. A task whose predecessor failed is not run, and its failure
/// says so. The rest goes on, so that one run names all that fails.
///
/// # Errors
/// When a program cannot be started or its output cannot be kept in the folder `logs`.
pub fn run(
    tasks: &[Task],
    at_once: usize,
    logs: &Path,
    program: impl Fn(&str) -> Result<Command>,
    mut ended: impl FnMut(&Outcome),
) -> Result<Vec<Outcome>> {
    let mut waiting = tasks.to_vec();
    let mut running: Vec<Running> = Vec::new();
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut news = Instant::now();
    while !waiting.is_empty() || !running.is_empty() {
        skip_the_hopeless(&mut waiting, &mut outcomes, &mut ended);
        while running.len() < at_once
            && let Some(next) = next(&waiting, &running, &outcomes)
        {
            let task = waiting.remove(next);
            let log = logs.join(format!("{}.log", task.name.replace(' ', "-")));
            let group = start(&mut program(task.name)?, &log)?;
            running.push(Running { task, group, started: Instant::now(), log });
        }
        thread::sleep(LOOK_EVERY);
        let mut index = 0;
        while index < running.len() {
            let Some(status) = running[index].group.child().try_wait()? else {
                index += 1;
                continue;
            };
            let Running { task, started, log, .. } = running.remove(index);
            let failure = crate::process::check(task.name, status).err().map(|error| format!("{error:#}"));
            let outcome = Outcome { name: task.name, took: started.elapsed(), log, failure };
            ended(&outcome);
            outcomes.push(outcome);
            news = Instant::now();
        }
        if news.elapsed() > SAY_EVERY && !running.is_empty() {
            let names: Vec<_> = running
                .iter()
                .map(|run| format!("{} ({} s)", run.task.name, run.started.elapsed().as_secs()))
                .collect();
            println!("... {}", names.join(", "));
            news = Instant::now();
        }
    }
    Ok(outcomes)
}

/// The index of the task to start now: one of the kind that fewer running tasks are of, if there is one.
fn next(waiting: &[Task], running: &[Running], outcomes: &[Outcome]) -> Option<usize> {
    let has_passed = |name: &str| outcomes.iter().any(|outcome| outcome.name == name);
    let holds = |run: &Running, lock| run.task.load == Load::Computes && run.task.lock == Some(lock);
    let is_locked = |task: &Task| task.lock.is_some_and(|lock| running.iter().any(|run| holds(run, lock)));
    let is_ready = |task: &Task| task.after.iter().all(|name| has_passed(name)) && !is_locked(task);
    let count = |load| running.iter().filter(|run| run.task.load == load).count();
    let rarer = if count(Load::Waits) < count(Load::Computes) { Load::Waits } else { Load::Computes };
    let of_kind = waiting.iter().position(|task| is_ready(task) && task.load == rarer);
    of_kind.or_else(|| waiting.iter().position(is_ready))
}

/// Fails the tasks that can no longer run, because one that they depend on has failed.
fn skip_the_hopeless(waiting: &mut Vec<Task>, outcomes: &mut Vec<Outcome>, ended: &mut impl FnMut(&Outcome)) {
    // In one pass, since each task stands behind those that it depends on.
    let mut index = 0;
    while index < waiting.len() {
        let task = waiting[index];
        let failed =
            |name: &&&str| outcomes.iter().any(|outcome| outcome.name == **name && outcome.failure.is_some());
        let Some(cause) = task.after.iter().find(failed) else {
            index += 1;
            continue;
        };
        let failure = Some(format!("not run, because it needs: {cause}"));
        let outcome = Outcome { name: task.name, took: Duration::ZERO, log: PathBuf::new(), failure };
        waiting.remove(index);
        ended(&outcome);
        outcomes.push(outcome);
    }
}

/// Starts a program whose standard output and error both go to `log`, in the order in which they were written.
fn start(command: &mut Command, log: &Path) -> Result<Group> {
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let errors = file.try_clone().context("a file cannot be shared")?;
    Group::spawn(command.stdin(Stdio::null()).stdout(file).stderr(errors))
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::*;

    /// Runs `tasks`, each a line of shell, and tells how each ended in the order in which they ended.
    fn run_all(name: &str, tasks: &[(Task, &'static str)]) -> Vec<(&'static str, String)> {
        let logs = env::temp_dir().join(format!("ssedge-schedule-{name}-{}", std::process::id()));
        fs::create_dir_all(&logs).unwrap();
        let list: Vec<_> = tasks.iter().map(|(task, _)| *task).collect();
        let program = |name: &str| {
            let line = tasks.iter().find(|(task, _)| task.name == name).map(|(_, line)| *line);
            let mut command = Command::new("sh");
            command.args(["-c", line.unwrap()]);
            Ok(command)
        };
        let outcomes = run(&list, 2, &logs, program, |_| {}).unwrap();
        let told = outcomes.iter().map(|outcome| {
            let log = fs::read_to_string(&outcome.log).unwrap_or_default();
            (outcome.name, outcome.failure.clone().unwrap_or(log))
        });
        let told = told.collect();
        let _ = fs::remove_dir_all(logs);
        told
    }

    fn task(name: &'static str, after: &'static [&'static str]) -> Task {
        Task { name, after, load: Load::Computes, lock: None }
    }

    #[test]
    fn a_step_waits_for_those_before_it_and_keeps_what_it_prints() {
        let told = run_all(
            "order",
            &[
                (task("slow", &[]), "sleep 0.3; echo out; echo err >&2"),
                (task("then", &["slow"]), "echo then"),
            ],
        );
        assert_eq!(told, [("slow", "out\nerr\n".to_owned()), ("then", "then\n".to_owned())]);
    }

    #[test]
    fn a_failure_skips_what_needs_it_and_nothing_else() {
        let told = run_all(
            "failure",
            &[
                (task("broken", &[]), "exit 3"),
                (task("needs", &["broken"]), "echo never"),
                (task("needs too", &["needs"]), "echo never"),
                (task("free", &[]), "sleep 0.3; echo free"),
            ],
        );
        assert_eq!(
            told,
            [
                ("broken", "broken failed (exit code 3)".to_owned()),
                ("needs", "not run, because it needs: broken".to_owned()),
                ("needs too", "not run, because it needs: needs".to_owned()),
                ("free", "free\n".to_owned()),
            ]
        );
    }

    #[test]
    fn a_step_that_waits_runs_beside_one_that_computes() {
        let waits = |name| Task { name, after: &[], load: Load::Waits, lock: None };
        let told = run_all(
            "kinds",
            &[
                (task("first", &[]), "sleep 0.2"),
                (task("second", &[]), "sleep 0.4"),
                (waits("waits"), "true"),
            ],
        );
        let ended: Vec<_> = told.iter().map(|(name, _)| *name).collect();
        assert_eq!(ended, ["waits", "first", "second"]);
    }

    #[test]
    fn what_needs_the_lock_of_another_lets_others_go_first() {
        let locks = |name, load| Task { name, after: &[], load, lock: Some("folder") };
        let told = run_all(
            "locks",
            &[
                (locks("builds", Load::Computes), "sleep 0.4"),
                (locks("asks", Load::Waits), "true"),
                (locks("builds too", Load::Computes), "true"),
                (task("free", &[]), "sleep 0.2"),
            ],
        );
        let ended: Vec<_> = told.iter().map(|(name, _)| *name).collect();
        assert_eq!(ended[..2], ["free", "builds"]);
    }
}
