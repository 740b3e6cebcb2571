//! Where the table is, and how often it is asked: what a host whose log is a table chooses.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{BadSetting, Variables};
use crate::limits::{POLL_MS, TABLE_NAME_CHARS};

const NAME: &str = "TABLE_NAME";
const ENDPOINT: &str = "AWS_ENDPOINT_URL_DYNAMODB";

/// What AWS alone needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSettings {
    /// TABLE_NAME.
    pub name: String,
    /// AWS_ENDPOINT_URL_DYNAMODB: where the table is, if it is not in AWS.
    pub endpoint: Option<String>,
    /// POLL_MIN_MS to POLL_MAX_MS: the pauses between two questions of a stream.
    pub poll: RangeInclusive<Duration>,
}

impl TableSettings {
    /// Every variable that is read here.
    pub const NAMES: [&'static str; 4] = [NAME, "POLL_MIN_MS", "POLL_MAX_MS", ENDPOINT];

    /// Reads the settings.
    ///
    /// # Errors
    /// [`BadSetting`] for the first value that is against its rule.
    pub fn read(read: &Variables) -> Result<Self, BadSetting> {
        let poll_min = read.number("POLL_MIN_MS", POLL_MS, 100)?;
        let poll_max = read.number("POLL_MAX_MS", POLL_MS, poll_min.max(1_000))?;
        if poll_max < poll_min {
            return Err(BadSetting::new("POLL_MAX_MS", "must not be below POLL_MIN_MS"));
        }
        Ok(Self {
            name: name(read.text(NAME).unwrap_or_default())?,
            endpoint: endpoint(read.text(ENDPOINT))?,
            poll: Duration::from_millis(poll_min)..=Duration::from_millis(poll_max),
        })
    }
}

fn name(name: String) -> Result<String, BadSetting> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if TABLE_NAME_CHARS.contains(&name.len()) && name.chars().all(is_name) {
        return Ok(name);
    }
    let (least, most) = TABLE_NAME_CHARS.into_inner();
    Err(BadSetting::new(
        NAME,
        format!("must name a DynamoDB table: {least} to {most} letters, digits, `_`, `-` or `.`"),
    ))
}

fn endpoint(url: Option<String>) -> Result<Option<String>, BadSetting> {
    let well_formed = |url: &String| {
        let uri = url.parse::<http::Uri>().ok();
        uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
    };
    match url {
        Some(url) if !well_formed(&url) => {
            Err(BadSetting::new(ENDPOINT, "must be a URL such as http://127.0.0.1:8000"))
        }
        url => Ok(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<TableSettings, BadSetting> {
        let lookup = |name: &str| {
            assert!(TableSettings::NAMES.contains(&name), "{name} is missing in NAMES");
            vars.iter().find(|(var, _)| *var == name).map(|(_, value)| (*value).to_owned())
        };
        TableSettings::read(&Variables::new(&lookup))
    }

    #[test]
    fn a_function_needs_a_table() {
        assert_eq!(read(&[(NAME, "ssedge-Table.1_x")]).unwrap().name, "ssedge-Table.1_x");
        for vars in [&[][..], &[(NAME, "")], &[(NAME, "ab")], &[(NAME, "a/b")]] {
            assert_eq!(read(vars).unwrap_err().name, NAME, "{vars:?}");
        }
    }

    #[test]
    fn a_bad_value_is_named_with_its_rule() {
        let bad = |name, value| read(&[(NAME, "ssedge"), ("POLL_MIN_MS", "500"), (name, value)]).unwrap_err();
        assert_eq!(bad(ENDPOINT, "localhost:8000").rule, "must be a URL such as http://127.0.0.1:8000");
        assert_eq!(bad("POLL_MAX_MS", "100").rule, "must not be below POLL_MIN_MS");
    }
}
