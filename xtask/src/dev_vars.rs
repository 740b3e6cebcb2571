//! `.dev.vars`: the secrets and other settings of local runs. wrangler's own reader reads it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use ssedge::settings::Settings;

use crate::process::feed;
use crate::repo::Repo;
use crate::setup;

/// Secrets are their owner's alone.
const MODE: u32 = 0o600;

/// The file of a command.
#[derive(clap::Args)]
pub struct DevVars {
    /// The file of secrets and other settings, in the format of wrangler's .dev.vars
    #[arg(long = "dev-vars", value_name = "FILE", default_value = ".dev.vars")]
    path: PathBuf,
}

/// Where a value was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    There(String),
    /// It was not there, and is now.
    Added(String),
}

impl DevVars {
    /// The file's name, as it was given.
    pub fn name(&self) -> &Path {
        &self.path
    }

    /// Whether what is written to it is there the next time: it is a file, or may become one. A pipe keeps nothing.
    pub fn is_kept(&self, repo: &Repo) -> bool {
        fs::metadata(repo.path(&self.path)).map_or(true, |metadata| metadata.is_file())
    }

    /// Whether there is anything to read.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn is_empty(&self, repo: &Repo) -> Result<bool> {
        Ok(self.text(repo)?.trim().is_empty())
    }

    /// Whether this name stands in it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn mentions(&self, repo: &Repo, name: &str) -> Result<bool> {
        Ok(self.text(repo)?.contains(name))
    }

    /// The settings in it: none if there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read, or names something that is not a setting.
    pub fn read(&self, repo: &Repo) -> Result<BTreeMap<String, String>> {
        self.parse(repo, &self.text(repo)?)
    }

    /// The value of this setting, which `make` makes if the file has none or an empty one. What is in the file stays
    /// as it is.
    ///
    /// # Errors
    /// As [`Self::read`], when the file cannot be written, or what `make` says.
    pub fn find_or_add(
        &self,
        repo: &Repo,
        name: &str,
        make: impl FnOnce() -> Result<String>,
    ) -> Result<Found> {
        let what = || format!("cannot write {}", self.path.display());
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .append(true)
            .create(true)
            .mode(MODE)
            .open(repo.path(&self.path))
            .with_context(what)?;
        // A device or a pipe would keep nothing, and its mode is not ours to set.
        ensure!(file.metadata().with_context(what)?.is_file(), "{} is not a file", self.path.display());
        // Of two that find no value at the same time, the second finds that of the first.
        file.lock().with_context(what)?;
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(what)?;
        let value = self.parse(repo, &text)?.remove(name);
        if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
            return Ok(Found::There(value));
        }
        let value = make()?;
        let end_of_line = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        file.set_permissions(Permissions::from_mode(MODE)).with_context(what)?;
        file.write_all(format!("{end_of_line}{name}={value}\n").as_bytes()).with_context(what)?;
        Ok(Found::Added(value))
    }

    fn text(&self, repo: &Repo) -> Result<String> {
        match fs::read_to_string(repo.path(&self.path)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            read => read.with_context(|| format!("cannot read {}", self.path.display())),
        }
    }

    fn parse(&self, repo: &Repo, text: &str) -> Result<BTreeMap<String, String>> {
        if text.trim().is_empty() {
            return Ok(BTreeMap::new());
        }
        setup::npm_packages(repo)?;
        let read = feed(repo.command("node")?.arg("xtask/dev-vars.mjs"), text)
            .with_context(|| format!("wrangler cannot read {}", self.path.display()))?;
        let vars: BTreeMap<String, String> = serde_json::from_str(&read)?;
        match vars.keys().find(|name| !Settings::NAMES.contains(&name.as_str())) {
            Some(name) => bail!(
                "{} in {} is not a setting; the settings are {}",
                shown(name),
                self.path.display(),
                Settings::NAMES.join(", ")
            ),
            None => Ok(vars),
        }
    }
}

/// A name that does not look like one is not shown: it may be a part of a secret that has lost its name.
fn shown(name: &str) -> &str {
    let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
    if name.chars().all(is_name) { name } else { "a name" }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of its own, removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("ssedge-xtask-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn dev_vars(&self) -> DevVars {
            DevVars { path: self.0.join(".dev.vars") }
        }

        #[track_caller]
        fn read(&self, text: &str) -> Result<BTreeMap<String, String>> {
            fs::write(self.dev_vars().path, text).unwrap();
            self.dev_vars().read(&Repo::find().unwrap())
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn values_are_those_of_wrangler() {
        let folder = Folder::new("values");
        let text = "# mine\r\nAUTH_SECRET=a=b==\n\nexport LOG_LEVEL = info # a comment\nRETRY_MS=1\nRETRY_MS='2'\n\
                    ALLOWED_ORIGINS=\"https://a.example,\nhttps://b.example\"\nPOST_RATE=$HOME\nSTREAM_SECS=\n";
        let expected = [
            ("ALLOWED_ORIGINS", "https://a.example,\nhttps://b.example"),
            ("AUTH_SECRET", "a=b=="),
            ("LOG_LEVEL", "info"),
            ("POST_RATE", "$HOME"),
            ("RETRY_MS", "2"),
            ("STREAM_SECS", ""),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(folder.read(text).unwrap(), BTreeMap::from(expected));
        assert!(fs::read_dir(&folder.0).unwrap().count() == 1, "nothing is left beside the file");
    }

    #[test]
    fn a_file_that_is_not_there_and_one_without_a_line_have_no_settings() {
        let (folder, repo) = (Folder::new("none"), Repo::find().unwrap());
        assert!(folder.dev_vars().is_empty(&repo).unwrap());
        assert_eq!(folder.dev_vars().read(&repo).unwrap(), BTreeMap::new());
        assert_eq!(folder.read("\n").unwrap(), BTreeMap::new());
        assert!(DevVars { path: "/dev/null".into() }.is_empty(&repo).unwrap());
    }

    #[test]
    fn a_setting_that_does_not_exist_is_named_and_no_value_is_shown() {
        let folder = Folder::new("names");
        for (line, named) in
            [("HARTBEAT_SECS=hunter2", "HARTBEAT_SECS in "), ("hunter2=hunter2", "a name in ")]
        {
            let said = folder.read(&format!("RETRY_MS=1\n{line}\n")).unwrap_err().to_string();
            assert!(
                said.starts_with(named) && said.contains("is not a setting; the settings are "),
                "{said}"
            );
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn what_is_added_leaves_every_other_line_as_it_was() {
        let (folder, repo) = (Folder::new("add"), Repo::find().unwrap());
        let file = folder.dev_vars();
        let read = || fs::read_to_string(&file.path).unwrap();
        let add = |value: &str| file.find_or_add(&repo, "AUTH_SECRET", || Ok(value.to_owned())).unwrap();
        let mode = || fs::metadata(&file.path).unwrap().permissions().mode() & 0o777;

        assert_eq!(add("first"), Found::Added("first".to_owned()));
        assert_eq!((read().as_str(), mode()), ("AUTH_SECRET=first\n", 0o600));
        assert_eq!(add("second"), Found::There("first".to_owned()));
        assert_eq!(read(), "AUTH_SECRET=first\n");

        for before in ["# mine\n\nRETRY_MS = '5' # ms\r\n", "# mine\nAUTH_SECRET=\nLOG_LEVEL=info"] {
            fs::write(&file.path, before).unwrap();
            fs::set_permissions(&file.path, Permissions::from_mode(0o644)).unwrap();
            assert_eq!(add("third"), Found::Added("third".to_owned()));
            let behind = read().strip_prefix(before).map(|behind| behind.trim_start().to_owned());
            assert_eq!(behind.as_deref(), Some("AUTH_SECRET=third\n"), "{:?}", read());
            assert_eq!(mode(), 0o600);
            assert_eq!(file.read(&repo).unwrap()["AUTH_SECRET"], "third");
        }
    }

    #[test]
    fn a_file_with_a_bad_name_is_left_alone() {
        let (folder, repo) = (Folder::new("bad"), Repo::find().unwrap());
        let file = folder.dev_vars();
        fs::write(&file.path, "hunter2=1\n").unwrap();
        let error = file.find_or_add(&repo, "AUTH_SECRET", || Ok("key".to_owned())).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        assert_eq!(fs::read_to_string(&file.path).unwrap(), "hunter2=1\n");
    }

    #[test]
    fn those_who_ask_at_once_get_one_value() {
        let (folder, repo) = (Folder::new("race"), Repo::find().unwrap());
        let found: Vec<_> = std::thread::scope(|scope| {
            let ask = |n: usize| folder.dev_vars().find_or_add(&repo, "AUTH_SECRET", || Ok(n.to_string()));
            let threads: Vec<_> = (0..4).map(|n| scope.spawn(move || ask(n))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
        });
        let added = found.iter().filter(|found| matches!(found, Found::Added(_))).count();
        let value = folder.dev_vars().read(&repo).unwrap()["AUTH_SECRET"].clone();
        assert_eq!(added, 1, "{found:?}");
        for found in found {
            let (Found::There(got) | Found::Added(got)) = found;
            assert_eq!(got, value);
        }
    }
}
