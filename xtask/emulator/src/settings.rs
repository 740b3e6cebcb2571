//! What the emulator is told at its start.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::environment::Function;
use crate::gateway::Gateway;
use crate::reload::Reload;

/// Characters that the name of a stage may have
/// ([documented](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html)).
const STAGE_CHARS: usize = 128;

/// The first line of standard input. README.md says what each one is for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    #[serde(default)]
    pub port: u16,
    function: PathBuf,
    #[serde(default = "Settings::concurrency")]
    concurrency: usize,
    /// Seconds.
    #[serde(default = "Settings::timeout")]
    timeout: u64,
    #[serde(default = "Settings::share")]
    share: usize,
    #[serde(default)]
    reap: bool,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// The stage of a REST API. Without one there is a function URL.
    #[serde(default)]
    stage: Option<String>,
    /// By which the page of the function loads itself again.
    #[serde(default)]
    pub reload: Option<Reload>,
}

impl Settings {
    /// # Errors
    /// When the line is not JSON of this shape.
    pub fn parse(line: &str) -> Result<Self> {
        serde_json::from_str(line)
            .context("the first line of standard input is JSON: {\"function\": \"path\", …}")
    }

    const fn concurrency() -> usize {
        8
    }

    /// The most that Lambda takes.
    const fn timeout() -> u64 {
        900
    }

    const fn share() -> usize {
        1
    }

    /// What stands in front of the function.
    ///
    /// # Errors
    /// When no stage can have that name, or its page cannot load itself again.
    pub fn gateway(&self) -> Result<Gateway> {
        let Some(stage) = &self.stage else { return Ok(Gateway::Url) };
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        ensure!(
            (1..=STAGE_CHARS).contains(&stage.len()) && stage.chars().all(is_name),
            "the name of a stage has 1 to {STAGE_CHARS} letters, digits, hyphens and underscores"
        );
        ensure!(self.reload.is_none(), "a page below a stage cannot load itself again");
        Ok(Gateway::Rest(stage.clone()))
    }

    /// What there is to run.
    ///
    /// # Errors
    /// When a number is 0, settings contradict each other, or there is no such function.
    pub fn function(self) -> Result<Function> {
        ensure!(self.concurrency > 0 && self.timeout > 0 && self.share > 0, "the numbers start at 1");
        ensure!(
            !(self.reap && self.share > 1),
            "to reap a process that is shared would end other invocations"
        );
        let program = self.function.canonicalize();
        let program =
            program.with_context(|| format!("there is no function at {}", self.function.display()))?;
        let folder = program.parent().context("a function is a file")?.to_owned();
        let timeout = Duration::from_secs(self.timeout);
        let Self { concurrency, share, reap, environment, .. } = self;
        Ok(Function { program, folder, concurrency, share, reap, timeout, environment })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const README: &str = include_str!("../README.md");

    /// The rows of the table of options: name and default.
    fn options() -> Vec<(&'static str, &'static str)> {
        let section = README.split("\n## ").find(|section| section.starts_with("Options")).unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
        rows.map(|row| {
            let (name, rest) = row.split_once("` | ").unwrap();
            (name, rest.split('|').next().unwrap().trim().trim_matches('`'))
        })
        .collect()
    }

    #[test]
    fn the_readme_lists_every_option() {
        let error = Settings::parse(r#"{"function": "f", "no such option": 1}"#).unwrap_err();
        let error = error.root_cause().to_string();
        let known: Vec<_> = error.split('`').skip(3).step_by(2).collect();
        let listed: Vec<_> = options().into_iter().map(|(name, _)| name).collect();
        assert_eq!(listed, known, "{error}");
    }

    #[test]
    fn the_readme_has_the_defaults() {
        let mut written = json!({ "function": "f" });
        for (name, default) in options().into_iter().filter(|(name, _)| *name != "function") {
            written[name] = serde_json::from_str::<Value>(default).unwrap();
        }
        let (written, none) =
            (Settings::parse(&written.to_string()), Settings::parse(r#"{"function": "f"}"#));
        assert_eq!(format!("{:?}", written.unwrap()), format!("{:?}", none.unwrap()));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let function = std::env::current_exe().unwrap();
        for (settings, says) in [
            (json!({ "function": function, "concurrency": 0 }), "the numbers start at 1"),
            (json!({ "function": function, "reap": true, "share": 2 }), "would end other invocations"),
            (json!({ "function": "no such file" }), "there is no function at no such file"),
        ] {
            let error = Settings::parse(&settings.to_string()).unwrap().function().unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
        let gateway = |stage: &str, reload: Value| {
            let settings = json!({ "function": function, "stage": stage, "reload": reload });
            Settings::parse(&settings.to_string()).unwrap().gateway().is_ok()
        };
        assert!(gateway("live-2_x", Value::Null));
        for stage in ["", "a/b", "ä", &"a".repeat(STAGE_CHARS + 1)] {
            assert!(!gateway(stage, Value::Null), "{stage}");
        }
        assert!(!gateway("live", json!({ "build": "1", "script": "" })));
    }
}
