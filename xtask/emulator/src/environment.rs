//! What a process of the function finds in its environment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The name that the function has, in its environment and its ARN.
const NAME: &str = "emulated";
const REGION: &str = "us-east-1";
const MEMORY_MEGABYTES: &str = "128";

/// The function, as it was set up.
#[derive(Clone, Debug)]
pub struct Function {
    pub program: PathBuf,
    /// Where the program is, and runs.
    pub folder: PathBuf,
    /// Processes at most.
    pub concurrency: usize,
    /// Invocations that one process may have at a time.
    pub share: usize,
    /// Whether a process ends when its client leaves.
    pub reap: bool,
    /// From the handing out of the event to the end of the answer.
    pub timeout: Duration,
    pub environment: BTreeMap<String, String>,
}

/// In the form of an ARN, with an account that no one has.
pub fn arn() -> String {
    format!("arn:aws:lambda:{REGION}:000000000000:function:{NAME}")
}

/// The variables that [Lambda sets](https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime),
/// then those of the function. The credentials are none; nothing else of the emulator's environment is passed on.
pub fn variables(function: &Function, runtime_api: SocketAddr) -> BTreeMap<String, String> {
    let folder = function.folder.display().to_string();
    let runtime_api = runtime_api.to_string();
    let stream = format!("2026/01/01/[$LATEST]{:032x}", fastrand::u128(..));
    let log_group = format!("/aws/lambda/{NAME}");
    let share = function.share.to_string();
    let mut variables = vec![
        ("AWS_LAMBDA_RUNTIME_API", runtime_api.as_str()),
        ("AWS_LAMBDA_FUNCTION_NAME", NAME),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", MEMORY_MEGABYTES),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &log_group),
        ("AWS_LAMBDA_LOG_STREAM_NAME", &stream),
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "emulated"),
        ("AWS_SECRET_ACCESS_KEY", "emulated"),
        ("AWS_SESSION_TOKEN", "emulated"),
        ("_HANDLER", "bootstrap"),
        ("LAMBDA_TASK_ROOT", &folder),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"),
        ("TZ", ":UTC"),
    ];
    if function.share > 1 {
        variables.push(("AWS_LAMBDA_MAX_CONCURRENCY", &share));
    }
    let own = function.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    variables.into_iter().chain(own).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
