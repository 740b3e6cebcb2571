//! Where things are, and the versions that the lock files name.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::run_with_warnings;

/// All packages that run on this machine. Cargo chooses the features of a dependency for all packages that are named
/// together, so a command that names fewer of them would compile the dependencies anew.
pub const NATIVE: &str = "--workspace --exclude ssedge-worker";

/// The checkout that the command was started in.
pub struct Repo {
    root: PathBuf,
}

impl Repo {
    /// # Errors
    /// When xtask was not started by cargo, which names the package's folder.
    pub fn find() -> Result<Self> {
        let package =
            env::var_os("CARGO_MANIFEST_DIR").context("start this as `cargo xtask`, not by its binary")?;
        let root = Path::new(&package).parent().context("xtask/ has no parent folder")?;
        Ok(Self { root: root.to_owned() })
    }

    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// The files that git tracks or would track, by their paths from the root.
    ///
    /// # Errors
    /// When git cannot list them.
    pub fn sources(&self) -> Result<Vec<String>> {
        let listing = ["ls-files", "--cached", "--others", "--exclude-standard"];
        let listed = self.command("git")?.args(listing).output().context("cannot start git")?;
        let listed = String::from_utf8(listed.stdout).context("a path is not UTF-8")?;
        Ok(listed.lines().filter(|path| self.path(path).is_file()).map(str::to_owned).collect())
    }

    /// A command that runs at the root and finds the npm tools first, Node 24 among them, then those of Python.
    /// Nothing that it starts reports on its use, and Node keeps what it compiles of scripts. What cargo tells of the package that it runs is kept from it: build
    /// scripts read that, so each of `cargo run` and `cargo test` would build the function anew.
    pub fn command(&self, program: impl Into<OsString>) -> Result<Command> {
        let mut path = vec![self.path("node_modules/.bin"), self.path(".tools/python/bin")];
        path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        let mut command = Command::new(program.into());
        command
            .current_dir(&self.root)
            .env("PATH", env::join_paths(path).context("the path of this checkout cannot be put on PATH")?)
            .env("NODE_COMPILE_CACHE", self.path(".tools/node"))
            .env("WRANGLER_SEND_METRICS", "false")
            .env("SAM_CLI_TELEMETRY", "0");
        for (name, _) in env::vars_os() {
            if name
                .to_str()
                .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
            {
                command.env_remove(name);
            }
        }
        Ok(command)
    }

    /// A command of cargo that prints nothing but warnings and errors.
    ///
    /// # Errors
    /// As [`Self::command`].
    pub fn cargo(&self, command: &str) -> Result<Command> {
        let mut cargo = self.command("cargo")?;
        cargo.args([command, "--quiet"]);
        // Its output is a pipe.
        if std::io::stderr().is_terminal() {
            cargo.args(["--color", "always"]);
        }
        Ok(cargo)
    }

    /// Where cargo puts what it builds for this checkout.
    pub fn target_dir(&self) -> PathBuf {
        self.root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
    }

    /// Compiles programs for this machine, in the profile `dev`. All packages are named, so that what they are made of is
    /// what the tests are made of ([`NATIVE`]).
    ///
    /// # Errors
    /// When one of them does not compile.
    pub fn compile(&self, programs: &[&str]) -> Result<()> {
        let mut build = self.cargo("build")?;
        build.args(NATIVE.split(' ')).args(programs.iter().flat_map(|program| ["--bin", program]));
        run_with_warnings(&mut build)
    }

    /// A program of this workspace, where cargo puts it in the profile `dev`, by which local runs and tests are built.
    pub fn built(&self, program: &str) -> PathBuf {
        self.target_dir().join("debug").join(program)
    }

    /// Waits for, then holds, the right to change one part of what is built or installed in this checkout: `npm` or
    /// `page`, for example.
    ///
    /// # Errors
    /// When the lock file cannot be made.
    pub fn lock(&self, part: &str) -> Result<fs::File> {
        let path = self.path(".tools").join(format!("{part}.lock"));
        fs::create_dir_all(self.path(".tools")).context("cannot make .tools")?;
        let file = fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        if file.try_lock().is_err() {
            eprintln!("waiting for another `cargo xtask` that makes the same here: {part}");
            file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Ok(file)
    }
}

/// One number for the contents of `files`, and for the names and contents of the files in folders among them. It is
/// the same wherever the checkout is.
///
/// # Errors
/// When one of them cannot be read.
pub fn fingerprint(files: &[PathBuf]) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for root in files {
        let mut pending = vec![root.clone()];
        while let Some(path) = pending.pop() {
            let what = || format!("cannot read {}", path.display());
            path.strip_prefix(root).unwrap_or(&path).hash(&mut hasher);
            if path.is_dir() {
                let mut inside: Vec<PathBuf> = fs::read_dir(&path)
                    .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
                    .with_context(what)?;
                inside.sort_by(|a, b| b.cmp(a));
                pending.append(&mut inside);
            } else {
                fs::read(&path).with_context(what)?.hash(&mut hasher);
            }
        }
    }
    Ok(format!("{:016x}", hasher.finish()))
}
