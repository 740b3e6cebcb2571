//! The description of the API that the hosts serve.

/// The OpenAPI document, as it is served.
pub const DOCUMENT: &str = include_str!("../openapi.json");
