//! `cargo xtask`: every command of this project. Each one sets up what it needs first.

mod browser;
mod bundle;
mod dev;
mod process;
mod repo;
mod setup;
mod test;
mod weight;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::repo::Repo;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Serve, test and build ssedge", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve on this machine, from real workerd
    Dev(dev::Dev),
    /// Run every check
    Test {
        /// Only the checks that need no host
        #[arg(long)]
        fast: bool,
    },
    /// Build the release bundle
    Build {
        #[arg(value_enum, default_value_t)]
        host: Host,
    },
    /// Install what the other commands need
    Setup,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Host {
    #[default]
    Worker,
}

fn main() -> ExitCode {
    match run(&Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<()> {
    let repo = Repo::find()?;
    // A server is stopped by a signal, and did what it should; for a check or a build it means that it is not done.
    process::stop_on_signals(if matches!(command, Command::Dev(_)) { 0 } else { 130 })?;
    match command {
        Command::Dev(options) => dev::dev(&repo, options),
        Command::Test { fast } => test::test(&repo, *fast),
        Command::Build { host: Host::Worker } => {
            setup::setup(&repo)?;
            bundle::build(&repo)
        }
        Command::Setup => {
            setup::setup(&repo)?;
            browser::chromium(&repo).map(drop)
        }
    }
}
