//! The token that data is published with.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use jwt_compact::alg::{Hs256, Hs256Key};
use jwt_compact::{AlgorithmExt, Claims, Header};
use serde_json::{Value, json};

/// AUTH_SECRET of ssedge under load. The server is there for one run, on this machine alone.
pub const SECRET: &str = "the key of a server under load only";
/// Longer than any run.
const LIFE_SECS: u64 = 24 * 60 * 60;

/// The value of the header `Authorization`. Systems that want no token pass over it.
pub fn bearer() -> &'static str {
    static BEARER: LazyLock<String> = LazyLock::new(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = json!({ "exp": now + LIFE_SECS, "publish": ["*"] });
        let claims: Claims<Value> = Claims::new(claims);
        let token = Hs256.token(&Header::empty(), &claims, &Hs256Key::new(SECRET)).unwrap_or_default();
        format!("Bearer {token}")
    });
    &BEARER
}
