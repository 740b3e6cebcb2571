//! `cargo xtask test`: every check. Those that do not need each other run side by side, each as a process of its own
//! (`cargo xtask test --only NAME`), whose output is kept and shown when it ends.

mod report;
mod schedule;

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use self::schedule::{Load, Outcome, Task};
use crate::process::run;
use crate::repo::{NATIVE, Repo};
use crate::schemathesis::Extent;
use crate::{Host, browser, bundle, own_feed, schemathesis, setup, supply, wasm};

/// The test targets of `ssedge-tests` with these prefixes need a running host.
const HOST_PREFIXES: [&str; 2] = ["worker", "lambda"];
/// Tests of a host that run at once: most of them wait, and those that do not take turns.
const TESTS_AT_ONCE: &str = "--test-threads=12";
/// The one other test that needs a tool, npm's decoder, which the fast checks do not install.
const NPM_TEST: &str = "eventsource_parser_reads_what_we_read";
/// The packages of the fast checks.
const FAST: &str = "-p ssedge -p ssedge-tests";
/// What a longer run does beyond the default one.
const LONG: &str = "--long adds: every case of schemathesis (here: a quarter of them), ten times as many simulated \
                    worlds, the example of a chat, and the load that is only measured";
/// The worlds that are simulated in a longer run.
const LONG_WORLDS: (&str, &str) = ("SSEDGE_WORLDS", "3000");

#[derive(clap::Args)]
pub struct Test {
    /// Only the checks that need no host
    #[arg(long)]
    fast: bool,
    /// Also what takes long: more cases and worlds
    #[arg(long)]
    long: bool,
    /// Only this check, without those that it needs
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

/// A check, or what others need to run.
struct Check {
    task: Task,
    /// Whether it needs neither a host nor a tool that is installed.
    is_fast: bool,
    run: Run,
}

type Run = fn(&Repo, &Test) -> Result<()>;

/// What cargo locks while it builds for this machine, and while it builds what is deployed.
const DEV: Option<&str> = Some("debug");
const RELEASE: Option<&str> = Some("release");

/// A check that mostly computes.
const fn computes(name: &'static str, after: &'static [&'static str], run: Run) -> Check {
    Check { task: Task { name, after, load: Load::Computes, lock: None }, is_fast: false, run }
}

/// A check that mostly waits.
const fn waits(name: &'static str, after: &'static [&'static str], run: Run) -> Check {
    Check { task: Task { name, after, load: Load::Waits, lock: None }, is_fast: false, run }
}

impl Check {
    /// The same, by cargo, which locks this.
    const fn locking(mut self, lock: Option<&'static str>) -> Self {
        self.task.lock = lock;
        self
    }

    /// The same as one of the fast checks, too. There, what it stands behind is not run.
    const fn fast(mut self) -> Self {
        self.is_fast = true;
        self
    }
}

/// All checks. Of those that can run, the first one is started first.
const CHECKS: &[Check] = &[
    // What others need.
    waits("npm packages", &[], |repo, _| setup::npm_packages(repo)),
    waits("Python packages", &[], |repo, _| setup::python_packages(repo)),
    waits("Chromium", &["npm packages"], |repo, _| browser::chromium(repo).map(drop)),
    computes("page", &["npm packages"], |repo, _| bundle::page(repo)),
    computes("build the Worker", &["page"], |repo, _| bundle::worker(repo)).locking(RELEASE),
    computes("Rust tools", &[], |repo, _| setup::rust_tools(repo)).locking(DEV),
    computes("build the tests", &["page", "Rust tools"], |repo, _| {
        cargo(repo, &["build", NATIVE])?;
        cargo(repo, &["test", NATIVE, "--no-run"])
    })
    .locking(DEV),
    computes("build the Worker of dev", &["page", "Rust tools"], |repo, _| {
        bundle::local_worker(repo).map(drop)
    })
    .locking(DEV),
    // What a host does. It takes the longest, so it begins first.
    waits("Lambda", &["build the tests"], |repo, test| hosted(repo, test, HOST_PREFIXES[1])).locking(DEV),
    waits("Worker", &["build the Worker", "build the Worker of dev", "build the tests"], |repo, test| {
        hosted(repo, test, HOST_PREFIXES[0])
    })
    .locking(DEV),
    waits("page of Lambda", &["build the tests", "Chromium"], |repo, test| {
        browser::test(repo, Host::Lambda, test.long)
    }),
    // One of its tests is about `cargo xtask dev`.
    waits(
        "page of the Worker",
        &["build the Worker", "build the Worker of dev", "build the tests", "Chromium"],
        |repo, test| browser::test(repo, Host::Worker, test.long),
    )
    .locking(DEV),
    waits("document of the Worker", &["build the Worker", "Python packages"], |repo, test| {
        schemathesis::test(repo, Host::Worker, test.extent())
    }),
    waits("document of Lambda", &["build the tests", "Python packages"], |repo, test| {
        schemathesis::test(repo, Host::Lambda, test.extent())
    }),
    waits("emulator", &["build the tests"], |repo, _| cargo(repo, &["test", NATIVE, "--test emulator"]))
        .locking(DEV),
    computes("a feed of one's own", &["build the tests", "build the Worker of dev"], |repo, _| {
        own_feed::test(repo)
    })
    .locking(DEV),
    computes("build the function", &["page", "Python packages"], |repo, _| bundle::lambda(repo))
        .locking(RELEASE),
    // What needs no host.
    computes("format", &[], format).fast(),
    computes("lint", &["page"], |repo, test| {
        cargo(repo, &["clippy", test.packages(), "--all-targets -- -D warnings"])
    })
    .locking(DEV)
    .fast(),
    computes("units", &["build the tests"], |repo, test| {
        cargo(repo, &["test", test.packages(), if test.fast { "--lib" } else { "--lib --bins --examples" }])
    })
    .locking(DEV)
    .fast(),
    computes("examples in the docs", &["build the tests"], |repo, test| {
        cargo(repo, &["test", test.packages(), "--doc"])
    })
    .locking(DEV)
    .fast(),
    waits("tests without a host", &["build the tests"], hostless).locking(DEV).fast(),
    computes("lint the Worker", &["Rust tools"], |repo, _| {
        cargo(repo, &["clippy -p ssedge-worker --target wasm32-unknown-unknown -- -D warnings"])
    })
    .locking(DEV),
    computes("core in wasm", &["npm packages", "Rust tools"], |repo, _| wasm::test(repo)).locking(DEV),
    computes("docs", &[], |repo, _| {
        let mut command = repo.command("cargo")?;
        run(command.args(["doc", "-p", "ssedge", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    })
    .locking(DEV),
    waits("faults of crates", &["Python packages"], |repo, _| supply::crates(repo)),
    waits("faults of npm packages", &["npm packages"], |repo, _| supply::npm_packages(repo)),
    computes("units of the page", &["npm packages"], |repo, _| run(&mut node_tests(repo, "tests/page")?)),
    computes("client", &["npm packages"], |repo, _| run(&mut node_tests(repo, "packages/client/test")?)),
    waits("client in Chromium", &["Chromium"], |repo, _| {
        let chromium = browser::chromium(repo)?;
        run(node_tests(repo, "packages/client/test/browser")?.env("CHROMIUM", chromium))
    }),
    computes("types of the client", &["npm packages"], |repo, _| {
        run(repo.command("tsc")?.args(["--noEmit", "--project", "packages/client"]))?;
        run(repo.command("tsc")?.args(["--project", "packages/client/test"]))
    }),
    computes("types of the page", &["npm packages"], |repo, _| {
        run(repo.command("tsc")?.args(["--noEmit", "--project", "web"]))
    }),
    computes("template.yaml", &["Python packages"], |repo, _| {
        run(repo.command("sam")?.args(["validate", "--lint"]))?;
        let python = repo.path(".tools/python/bin/python");
        run(repo.command(python)?.args(["-m", "unittest", "discover", "-s", "tests/python"]))
    }),
    // It builds the Worker once more, of which nothing is left to be built.
    waits("wrangler.toml", &["build the Worker"], |repo, _| {
        run(repo.command("wrangler")?.args(["deploy", "--dry-run"]))
    })
    .locking(DEV),
];

/// Cargo does not find the feeds, whose modules a macro declares, and the example.
fn format(repo: &Repo, _: &Test) -> Result<()> {
    cargo(repo, &["fmt --all --check"])?;
    let sources = repo.sources()?;
    let is_hidden = |path: &&String| {
        (path.starts_with("shared/src/feeds/") || path.starts_with("examples/")) && path.ends_with(".rs")
    };
    let mut rustfmt = repo.command("rustfmt")?;
    run(rustfmt.args(["--check", "--edition", "2024"]).args(sources.iter().filter(is_hidden)))
}

impl Test {
    const fn extent(&self) -> Extent {
        if self.long { Extent::Long } else { Extent::Short }
    }

    const fn packages(&self) -> &'static str {
        if self.fast { FAST } else { NATIVE }
    }

    fn tasks(&self) -> Vec<Task> {
        if self.fast {
            let fast = CHECKS.iter().filter(|check| check.is_fast);
            fast.map(|check| Task { after: &[], ..check.task }).collect()
        } else {
            CHECKS.iter().map(|check| check.task).collect()
        }
    }

    /// `program`, which is this one, for one check.
    fn one(&self, program: &Path, name: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["test", "--only", name]);
        command.args(self.fast.then_some("--fast")).args(self.long.then_some("--long"));
        command
    }
}

/// # Errors
/// When a check fails.
pub fn test(repo: &Repo, test: &Test) -> Result<()> {
    if let Some(name) = &test.only {
        let Some(check) = CHECKS.iter().find(|check| check.task.name == name) else {
            let names: Vec<_> = CHECKS.iter().map(|check| check.task.name).collect();
            bail!("there is no check `{name}`; the checks are: {}", names.join(", "));
        };
        return (check.run)(repo, test);
    }
    let started = Instant::now();
    let (tasks, at_once) = (test.tasks(), schedule::at_once());
    println!("{} checks, {at_once} at once", tasks.len());
    let logs = repo.target_dir().join("test-logs");
    fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    // A copy, since the build of the tests puts another file in the place of this program.
    let program = logs.join("xtask");
    let this = env::current_exe().context("this program has no path")?;
    fs::copy(&this, &program).with_context(|| format!("cannot copy {}", this.display()))?;
    let one = |name: &str| Ok(test.one(&program, name));
    let outcomes = schedule::run(&tasks, at_once, &logs, one, |outcome| tell(outcome, started))?;
    announce(&outcomes, started, test)
}

/// Shows how a check went: all of its output if it failed, else what is worth reading.
fn tell(outcome: &Outcome, started: Instant) {
    let log = fs::read_to_string(&outcome.log).unwrap_or_default();
    let (at, took) = (started.elapsed().as_secs(), outcome.took.as_secs_f32());
    match &outcome.failure {
        None => {
            print!("\n=== [{at} s] passed in {took:.1} s: {}\n{}", outcome.name, report::worth_reading(&log))
        }
        Some(failure) => {
            println!("\n=== [{at} s] FAILED after {took:.1} s: {}\n{log}\n{failure}", outcome.name)
        }
    }
}

fn announce(outcomes: &[Outcome], started: Instant, test: &Test) -> Result<()> {
    let checks = outcomes.iter().map(|outcome| (outcome.name.to_owned(), outcome.took)).collect();
    let log = |log: &Path| fs::read_to_string(log).unwrap_or_default();
    let tests = outcomes.iter().flat_map(|outcome| report::times(&log(&outcome.log))).collect();
    print!("{}", report::slowest("the slowest checks", checks));
    print!("{}", report::slowest("the slowest test files, and tests of the page", tests));
    let failed: Vec<_> = outcomes.iter().filter(|outcome| outcome.failure.is_some()).collect();
    println!("\n{} passed, {} failed", outcomes.len() - failed.len(), failed.len());
    if !failed.is_empty() {
        let names: Vec<_> = failed.iter().map(|outcome| outcome.name).collect();
        bail!(
            "these checks failed: {}; one alone: `cargo xtask test --only \"{}\"`",
            names.join(", "),
            names[0]
        );
    }
    println!("all checks passed in {} s", started.elapsed().as_secs());
    if !test.long && !test.fast {
        println!("{LONG}");
    }
    Ok(())
}

/// Runs cargo with these arguments, of which a space separates two.
fn cargo(repo: &Repo, arguments: &[&str]) -> Result<()> {
    run(repo.command("cargo")?.args(arguments.iter().flat_map(|some| some.split(' '))))
}

/// The tests of a folder that Node runs.
fn node_tests(repo: &Repo, folder: &str) -> Result<Command> {
    let mut node = repo.command("node")?;
    node.args(["--test", "--test-reporter=spec", &format!("{folder}/*.test.mjs")]);
    Ok(node)
}

fn hostless(repo: &Repo, test: &Test) -> Result<()> {
    let targets = test_targets(repo, |name| !HOST_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))?;
    let mut command = repo.command("cargo")?;
    command.arg("test").args(test.packages().split(' ')).args(targets);
    if test.fast {
        command.args(["--", "--skip", NPM_TEST]);
    }
    if test.long {
        command.env(LONG_WORLDS.0, LONG_WORLDS.1);
    }
    run(&mut command)
}

/// The tests of a host. Minutes long, so one run names all that fail.
fn hosted(repo: &Repo, test: &Test, prefix: &str) -> Result<()> {
    let targets = test_targets(repo, |name| name.starts_with(prefix))?;
    let mut command = repo.command("cargo")?;
    command.arg("test").args(NATIVE.split(' ')).arg("--no-fail-fast").args(targets);
    command.args(["--", TESTS_AT_ONCE]).args(test.long.then_some("--include-ignored"));
    run(&mut command)
}

/// The test targets of `ssedge-tests` of these names, as arguments of cargo.
fn test_targets(repo: &Repo, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let folder = repo.path("tests/tests");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let is_target =
            path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").exists();
        if let (true, Some(name)) = (is_target, path.file_stem().and_then(|name| name.to_str()))
            && is_wanted(name)
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names.into_iter().flat_map(|name| ["--test".to_owned(), name]).collect())
}

#[cfg(test)]
mod tests {
    use super::CHECKS;

    #[test]
    fn a_check_stands_behind_those_that_it_needs() {
        for (index, check) in CHECKS.iter().enumerate() {
            for needed in check.task.after {
                assert!(
                    CHECKS[..index].iter().any(|earlier| earlier.task.name == *needed),
                    "{} needs {needed}, which does not stand before it",
                    check.task.name
                );
            }
            assert!(!CHECKS[..index].iter().any(|earlier| earlier.task.name == check.task.name));
        }
    }
}
