//! Who may do what: callers, their grants, their tokens, and how much of it.

mod buckets;
mod caller;
mod grant;
mod rate;
mod sender;
mod token;

pub use buckets::Buckets;
pub use caller::{Caller, TOKEN_COOKIE};
pub use grant::{Action, Grants, InvalidGrant, Pattern};
pub use rate::{Micros, Rate, micros};
pub use sender::{Digest, InvalidKey, Key, Sender};
pub use token::InvalidToken;
