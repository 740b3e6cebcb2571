//! The values of settings that are neither numbers nor texts.

/// The host that the core runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// A Cloudflare Worker.
    Worker,
    /// An AWS Lambda function.
    Lambda,
}

impl Host {
    /// Its name in `/healthz`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Lambda => "lambda",
        }
    }
}

/// Who may read answers in a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Any page, without credentials.
    Any,
    /// These, as the `Origin` header writes them, with credentials.
    Listed(Vec<String>),
}

/// How much a host logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What somebody should be woken for.
    Error,
    /// What mends itself.
    Warn,
    /// One line per end of a stream.
    Info,
    /// Also one line per request that was refused.
    Debug,
}
