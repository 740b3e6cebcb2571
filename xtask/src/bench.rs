//! `cargo xtask bench`: figures of release builds.

use anyhow::Result;

use crate::bundle;
use crate::process::run;
use crate::repo::Repo;

/// What can be measured.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Bench {
    Lambda,
}

/// # Errors
/// When a build fails, or what is measured does not work.
pub fn bench(repo: &Repo, bench: Bench) -> Result<()> {
    let Bench::Lambda = bench;
    bundle::lambda(repo)?;
    eprintln!("building the function for this machine, as it is released (some minutes, the first time)");
    let packages = ["--package", "ssedge-lambda", "--package", "ssedge-emulator"];
    run(repo.command("cargo")?.args(["build", "--release"]).args(packages))?;
    // The table is what the tests have: it is not what is measured.
    repo.compile(&["ssedge-table"])?;
    run(repo.command("cargo")?.args(["bench", "--package", "ssedge-tests", "--bench", "lambda"]))
}
