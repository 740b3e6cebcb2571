//! What went wrong with the table.

use aws_sdk_dynamodb::error::DisplayErrorContext;
use ssedge::problem::Problem;

/// The table did not do what it was asked. For the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

impl Failure {
    pub fn new(cause: impl Into<String>) -> Self {
        Self(cause.into())
    }

    /// A question that was not answered.
    pub fn asking(what: &str, error: &impl std::error::Error) -> Self {
        Self(format!("{what}: {}", DisplayErrorContext(error)))
    }

    pub fn malformed() -> Self {
        Self::new("the table holds an item that ssedge did not write")
    }
}

impl From<Failure> for Problem {
    fn from(Failure(cause): Failure) -> Self {
        Self::Unavailable { cause }
    }
}
