//! `cargo xtask bench`: figures of release builds.

mod peers;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::bundle;
use crate::process::run;
use crate::repo::Repo;

/// What makes the load and measures, and the profile by which it is built.
const GENERATOR: &str = "ssedge-bench";
const PROFILE: &str = "load";

/// What can be measured.
#[derive(Args)]
pub struct Bench {
    #[command(subcommand)]
    what: Option<What>,
    /// A load, `quick` (some of them in two minutes), or `none` (write anew what was recorded)
    #[arg(long, value_name = "NAME")]
    load: Option<String>,
    /// Some systems, by commas
    #[arg(long, value_name = "SYSTEM,…")]
    only: Option<String>,
    /// Runs of each system
    #[arg(long)]
    runs: Option<u32>,
    /// Print a line of JSON for each figure
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum What {
    /// The function in the emulated Lambda: time to start, memory, first byte, delivery
    Lambda,
}

/// # Errors
/// When a build fails, or what is measured does not work.
pub fn bench(repo: &Repo, options: &Bench) -> Result<()> {
    match options.what {
        Some(What::Lambda) => lambda(repo),
        None => worker(repo, options),
    }
}

/// The Worker beside what does the same.
fn worker(repo: &Repo, options: &Bench) -> Result<()> {
    bundle::worker(repo)?;
    peers::install(repo)?;
    run(repo.cargo("build")?.args(["--profile", PROFILE, "--package", GENERATOR]))?;
    let mut generator = repo.command(repo.target_dir().join(PROFILE).join(GENERATOR))?;
    for (name, value) in [
        ("--load", options.load.clone()),
        ("--only", options.only.clone()),
        ("--runs", options.runs.map(|runs| runs.to_string())),
    ] {
        generator.args(value.into_iter().flat_map(|value| [name.to_owned(), value]));
    }
    generator.args(options.json.then_some("--json"));
    run(&mut generator)
}

fn lambda(repo: &Repo) -> Result<()> {
    bundle::lambda(repo)?;
    eprintln!("building the function for this machine, as it is released (some minutes, the first time)");
    let packages = ["--package", "ssedge-lambda", "--package", "ssedge-emulator"];
    run(repo.command("cargo")?.args(["build", "--release"]).args(packages))?;
    // The table is what the tests have: it is not what is measured.
    repo.compile(&["ssedge-table"])?;
    run(repo.command("cargo")?.args(["bench", "--package", "ssedge-tests", "--bench", "lambda"]))
}
