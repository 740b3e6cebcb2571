//! `.dev.vars`: the secrets and other settings of local runs, in the file and format that wrangler reads.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ssedge::settings::Settings;

use crate::repo::Repo;

/// Secrets are their owner's alone.
const MODE: u32 = 0o600;
/// A value may begin with any of these, and then ends with the next.
const QUOTES: [char; 3] = ['\'', '"', '`'];

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

/// A line that wrangler might guess at. It is not shown: it may be a secret in the wrong place.
#[derive(Debug, PartialEq, Eq)]
enum BadLine {
    Shape(usize),
    Name(usize),
}

impl BadLine {
    fn in_file(self, path: &Path) -> anyhow::Error {
        let path = path.display();
        match self {
            Self::Shape(line) => anyhow::anyhow!(
                "line {line} of {path} is neither NAME=VALUE, with quotes that close, nor a comment that begins with #"
            ),
            Self::Name(line) => anyhow::anyhow!(
                "line {line} of {path} names no setting; the settings are {}",
                Settings::NAMES.join(", ")
            ),
        }
    }
}

impl DevVars {
    /// The file's name, as it was given.
    pub fn name(&self) -> &Path {
        &self.path
    }

    /// The settings in it: none where there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read, or a sentence that tells the number of a bad line.
    pub fn read(&self, repo: &Repo) -> Result<BTreeMap<String, String>> {
        let text = match fs::read_to_string(repo.path(&self.path)) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            read => read.with_context(|| format!("cannot read {}", self.path.display()))?,
        };
        self.parse(&text)
    }

    /// The value of this setting, which `make` makes where the file has none or an empty one. What is in the file
    /// stays as it is.
    ///
    /// # Errors
    /// As [`Self::read`], when the file cannot be written, or what `make` says.
    pub fn find_or_add(
        &self,
        repo: &Repo,
        name: &str,
        make: impl FnOnce() -> Result<String>,
    ) -> Result<Found> {
        let value_in =
            |mut vars: BTreeMap<_, String>| vars.remove(name).filter(|value| !value.trim().is_empty());
        if let Some(value) = value_in(self.read(repo)?) {
            return Ok(Found::There(value));
        }
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
        ensure!(file.metadata().with_context(what)?.is_file(), "{} is no file", self.path.display());
        // Of two that find no value at the same time, the second finds that of the first.
        file.lock().with_context(what)?;
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(what)?;
        if let Some(value) = value_in(self.parse(&text)?) {
            return Ok(Found::There(value));
        }
        let value = make()?;
        let end_of_line = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        file.set_permissions(Permissions::from_mode(MODE)).with_context(what)?;
        file.write_all(format!("{end_of_line}{name}={value}\n").as_bytes()).with_context(what)?;
        Ok(Found::Added(value))
    }

    fn parse(&self, text: &str) -> Result<BTreeMap<String, String>> {
        parse(text).map_err(|line| line.in_file(&self.path))
    }
}

/// Reads what [dotenv](https://github.com/motdotla/dotenv) reads, which wrangler takes, but for values of several
/// lines, which no setting has, and for what dotenv passes over or guesses at. Of a name that comes twice, the last
/// value holds.
fn parse(text: &str) -> Result<BTreeMap<String, String>, BadLine> {
    let mut vars = BTreeMap::new();
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or(BadLine::Shape(number))?;
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        let value = value_of(value.trim()).ok_or(BadLine::Shape(number))?;
        if !Settings::NAMES.contains(&name) {
            return Err(BadLine::Name(number));
        }
        vars.insert(name.to_owned(), value);
    }
    Ok(vars)
}

/// The value that is written so: bare up to a `#`, or in quotes, within which a `#` is one and a quote behind a `\`
/// closes nothing.
fn value_of(text: &str) -> Option<String> {
    let Some(quote) = text.chars().next().filter(|first| QUOTES.contains(first)) else {
        let (value, _comment) = text.split_once('#').unwrap_or((text, ""));
        return Some(value.trim().to_owned());
    };
    let closes = |(at, _): &(usize, &str)| *at > 0 && !text[..*at].ends_with('\\');
    let (end, _) = text.match_indices(quote).find(closes)?;
    let behind = text[end + 1..].trim_start();
    if !behind.is_empty() && !behind.starts_with('#') {
        return None;
    }
    let value = &text[1..end];
    Some(if quote == '"' { value.replace("\\n", "\n").replace("\\r", "\r") } else { value.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines that are taken, and what each is a value of.
    const LINES: [(&str, &str, &str); 18] = [
        ("ANONYMOUS=subscribe *, publish chat/*", "ANONYMOUS", "subscribe *, publish chat/*"),
        ("AUTH_SECRET=a=b==", "AUTH_SECRET", "a=b=="),
        ("  ALLOWED_ORIGINS = https://a.example  ", "ALLOWED_ORIGINS", "https://a.example"),
        ("HEARTBEAT_SECS=5 # seconds", "HEARTBEAT_SECS", "5"),
        ("RETRY_MS=10#00", "RETRY_MS", "10"),
        ("STREAM_SECS=", "STREAM_SECS", ""),
        ("HISTORY_MAX='1' # one", "HISTORY_MAX", "1"),
        ("HISTORY_SECS=\"a # b\"", "HISTORY_SECS", "a # b"),
        ("POST_RATE=`it's \"so\"`", "POST_RATE", "it's \"so\""),
        ("POST_BURST=\"a\\nb\\rc\\td\"", "POST_BURST", "a\nb\rc\\td"),
        ("STOCK_SOURCE='a\\nb'", "STOCK_SOURCE", "a\\nb"),
        ("STOCK_SYMBOLS=\"a\\\"b\"#c", "STOCK_SYMBOLS", "a\\\"b"),
        ("export LOG_LEVEL=info", "LOG_LEVEL", "info"),
        ("TABLE_NAME=\"\"", "TABLE_NAME", ""),
        ("POLL_MIN_MS=a\"b\"", "POLL_MIN_MS", "a\"b\""),
        ("POLL_MAX_MS=$HOME ${HOME}", "POLL_MAX_MS", "$HOME ${HOME}"),
        ("AWS_ENDPOINT_URL_DYNAMODB='  spaces stay '", "AWS_ENDPOINT_URL_DYNAMODB", "  spaces stay "),
        ("ROOM_RELAYS=ü", "ROOM_RELAYS", "ü"),
    ];

    fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

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
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_line_is_a_name_and_a_value() {
        for (line, name, value) in LINES {
            assert_eq!(parse(line), Ok(vars(&[(name, value)])), "{line}");
        }
    }

    #[test]
    fn wrangler_reads_the_same() {
        let folder = Folder::new("wrangler");
        let text = LINES.map(|(line, ..)| line).join("\n# a comment\n\n");
        fs::write(folder.dev_vars().path, &text).unwrap();
        let ask = "const { default: { unstable_getVarsForDev } } = await import('wrangler');\
                   const vars = unstable_getVarsForDev(process.argv[1], undefined, {}, undefined, true);\
                   console.log(JSON.stringify(Object.entries(vars).map(([name, { value }]) => [name, value])));";
        let repo = Repo::find().unwrap();
        let mut node = repo.command("node").unwrap();
        let node = node.args(["--input-type=module", "--eval", ask]).arg(folder.0.join("wrangler.toml"));
        let output = node.output().unwrap();
        let read: Vec<(String, String)> = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {output:?}; `cargo xtask setup` installs wrangler"));
        assert_eq!(Ok(read.into_iter().collect()), parse(&text));
    }

    #[test]
    fn of_a_name_that_comes_twice_the_last_value_holds() {
        assert_eq!(parse("RETRY_MS=1\r\nRETRY_MS=2\r\n"), Ok(vars(&[("RETRY_MS", "2")])));
    }

    #[test]
    fn a_bad_line_is_told_by_its_number_and_never_shown() {
        for (line, bad) in [
            ("hunter2", BadLine::Shape(3)),
            ("AUTH_SECRET='hunter2", BadLine::Shape(3)),
            ("AUTH_SECRET=\"hunter2\" more", BadLine::Shape(3)),
            ("AUTH_SECRET=\"hunter2\\\"", BadLine::Shape(3)),
            ("AUTH_SECRET: hunter2", BadLine::Shape(3)),
            ("HUNTER2=hunter2", BadLine::Name(3)),
            ("auth_secret=hunter2", BadLine::Name(3)),
            ("=hunter2", BadLine::Name(3)),
        ] {
            let error = parse(&format!("RETRY_MS=1\n\n{line}\n")).unwrap_err();
            assert_eq!(error, bad, "{line}");
            let said = error.in_file(Path::new(".dev.vars")).to_string();
            assert!(said.starts_with("line 3 of .dev.vars "), "{said}");
            assert!(!said.to_lowercase().contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn what_is_added_leaves_every_other_line_as_it_was() {
        let (folder, repo) = (Folder::new("add"), Repo::find().unwrap());
        let file = folder.dev_vars();
        let read = || fs::read_to_string(&file.path).unwrap();
        let add = |value: &str| file.find_or_add(&repo, "AUTH_SECRET", || Ok(value.to_owned())).unwrap();
        let mode = || fs::metadata(&file.path).unwrap().permissions().mode() & 0o777;

        assert_eq!(file.read(&repo).unwrap(), BTreeMap::new());
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
    fn a_file_with_a_bad_line_is_left_alone() {
        let (folder, repo) = (Folder::new("bad"), Repo::find().unwrap());
        let file = folder.dev_vars();
        fs::write(&file.path, "hunter2\n").unwrap();
        let error = file.find_or_add(&repo, "AUTH_SECRET", || Ok("key".to_owned())).unwrap_err().to_string();
        assert!(error.starts_with("line 1 of ") && !error.contains("hunter2"), "{error}");
        assert_eq!(fs::read_to_string(&file.path).unwrap(), "hunter2\n");
    }

    #[test]
    fn those_who_ask_at_once_get_one_value() {
        let (folder, repo) = (Folder::new("race"), Repo::find().unwrap());
        let found: Vec<_> = std::thread::scope(|scope| {
            let ask = |n: usize| folder.dev_vars().find_or_add(&repo, "AUTH_SECRET", || Ok(n.to_string()));
            let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || ask(n))).collect();
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
