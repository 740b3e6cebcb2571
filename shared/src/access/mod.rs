//! Who may do what: callers, their grants, their tokens, and how much of it.

mod buckets;
mod caller;
mod grant;
mod rate;
mod secret;
mod sender;
mod token;

pub use buckets::Buckets;
pub use caller::{Caller, Forbidden, TOKEN_COOKIE};
pub use grant::{Action, Grants, InvalidGrant, Pattern, Scope};
pub use rate::{Micros, Rate, micros};
pub use secret::{InvalidSecret, Secret};
pub use sender::{Digest, InvalidKey, Key, Sender};
pub use token::InvalidToken;
