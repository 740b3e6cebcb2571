//! `cargo xtask`: every command of this project. Each one sets up what it needs first.

mod bench;
mod browser;
mod bundle;
mod dev;
mod dev_vars;
mod openapi;
mod own_feed;
mod process;
mod quotes;
mod repo;
mod schemathesis;
mod setup;
mod steps;
mod supply;
mod test;
mod token;
mod wasm;
mod weight;

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::repo::Repo;

/// The exit code of a command line that cannot be understood.
const MISUSE: u8 = 2;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true,
    help_template = "Serve, test and build ssedge: cargo xtask COMMAND, and --help behind it for more\n\n{subcommands}"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve on this machine: the Worker from workerd, or the function from an emulated Lambda
    Dev(dev::Dev),
    /// Mint a token for a server on this machine, and print it
    ///
    /// It is signed with AUTH_SECRET: that of the environment, else that of .dev.vars, which `cargo xtask dev` reads.
    /// Where neither has one, a random one is added to .dev.vars. What the token says comes on standard error, so
    /// that TOKEN=$(cargo xtask token …) is the token alone. Its holder may do what --subscribe, --publish and --close say and
    /// nothing else: what ANONYMOUS grants is for those without a token.
    Token(token::Token),
    /// Publish quotes to a deployment whose STOCK_SOURCE is `published`
    ///
    /// They are published in their order. One that the deployment cannot take yet (429, 503) is sent again when it says,
    /// by an Idempotency-Key, so that it is stored once. Any other refusal ends it with the line and the reason. At the
    /// end it prints how many were published.
    Quotes(quotes::Quotes),
    /// Run every check
    Test(test::Test),
    /// Build what is deployed
    Build {
        #[arg(value_enum, default_value_t)]
        host: Host,
    },
    /// Measure the Worker beside what does the same, or the function
    ///
    /// Each run of a system is on a server of its own. Runs are interleaved: the first of each system, then the second of
    /// each. It prints medians, what is between the least and the most, and the ratio of ssedge to each.
    Bench(bench::Bench),
    /// Write the documents of the API, openapi.json and asyncapi.json, of what each feed says of itself
    Openapi,
    /// Install what the other commands need
    Setup,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Host {
    #[default]
    Worker,
    Lambda,
}

impl Host {
    const fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Lambda => "lambda",
        }
    }
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    match run(&cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says what is wrong with a command line. Without a command, or with one that does not exist, all of them are shown.
fn explain(error: &clap::Error) -> ExitCode {
    // Of several, the likeliest is the last.
    let name = |kind| match error.get(kind) {
        Some(ContextValue::String(name)) => Some(name.clone()),
        Some(ContextValue::Strings(names)) => names.last().cloned(),
        _ => None,
    };
    match error.kind() {
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {}
        ErrorKind::InvalidSubcommand => {
            let wrong = name(ContextKind::InvalidSubcommand).unwrap_or_default();
            let hint = name(ContextKind::SuggestedSubcommand);
            let hint = hint.map(|name| format!(": did you mean `{name}`?")).unwrap_or_default();
            eprintln!("error: there is no command `{wrong}`{hint}\n");
        }
        _ => error.exit(),
    }
    eprintln!("{}", Cli::command().render_help());
    ExitCode::from(MISUSE)
}

fn run(command: &Command) -> anyhow::Result<()> {
    let repo = Repo::find()?;
    // A server is stopped by a signal, and did what it should; for a check or a build it means that it is not done.
    process::stop_on_signals(if matches!(command, Command::Dev(_)) { 0 } else { 130 })?;
    match command {
        Command::Dev(options) => dev::dev(&repo, options),
        Command::Token(options) => token::token(&repo, options),
        Command::Openapi => openapi::openapi(&repo),
        Command::Quotes(options) => quotes::quotes(&repo, options),
        Command::Test(options) => test::test(&repo, options),
        Command::Build { host: Host::Worker } => bundle::worker(&repo),
        Command::Build { host: Host::Lambda } => bundle::lambda(&repo),
        Command::Bench(options) => bench::bench(&repo, options),
        Command::Setup => {
            setup::all(&repo)?;
            browser::chromium(&repo).map(drop)
        }
    }
}
