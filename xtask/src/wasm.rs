//! Compiling to wasm, and the JavaScript around it.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::process::{run, run_quietly, run_with_warnings};
use crate::repo::Repo;
use crate::steps::step;

/// What is compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// How a crate is compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Soon: `dev`, as tests are.
    Dev,
    /// Small: `release`, as it is deployed.
    Release,
}

impl Profile {
    const fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
        }
    }

    /// Cargo's name for the folder of what it compiles.
    const fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// What is written for: the two of `ssedge-bindgen`.
#[derive(Clone, Copy)]
pub enum For {
    Worker,
    Web,
}

/// Compiles the library of a package, and answers where its wasm file is.
///
/// # Errors
/// When it does not compile.
pub fn compile(repo: &Repo, package: &str, profile: Profile) -> Result<PathBuf> {
    let mut build = repo.cargo("build")?;
    build.args(["--lib", "--target", TARGET, "--package", package, "--profile", profile.name()]);
    // Futures of wasm-bindgen's macros are those of js-sys, as `worker` wants them.
    run_with_warnings(build.env("WASM_BINDGEN_USE_JS_SYS", "1"))?;
    let file = format!("{}.wasm", package.replace('-', "_"));
    Ok(repo.target_dir().join(TARGET).join(profile.folder()).join(file))
}

/// Compiles the program that [`bindgen`] runs.
///
/// # Errors
/// When it does not compile.
pub fn tool(repo: &Repo) -> Result<()> {
    step("compiling what writes the JavaScript around wasm (half a minute, the first time)", || {
        repo.compile(&["ssedge-bindgen"])
    })
}

/// Writes `index.js` and `index_bg.wasm` into the folder.
///
/// # Errors
/// When the wasm is not what wasm-bindgen expects.
pub fn bindgen(repo: &Repo, target: For, wasm: &Path, folder: &Path) -> Result<()> {
    let target = match target {
        For::Worker => "worker",
        For::Web => "web",
    };
    run_quietly(repo.command(repo.built("ssedge-bindgen"))?.arg(target).args([wasm, folder]))
}

/// Runs in wasm what `cargo test -p ssedge-wasm-tests` runs natively.
///
/// # Errors
/// When something comes out otherwise.
pub fn test(repo: &Repo) -> Result<()> {
    tool(repo)?;
    let wasm = compile(repo, "ssedge-wasm-tests", Profile::Dev)?;
    let folder = repo.target_dir().join("wasm-tests");
    bindgen(repo, For::Web, &wasm, &folder)?;
    run(repo.command("node")?.arg("tests/wasm/run.mjs").arg(folder))
}
