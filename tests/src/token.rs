//! Tokens, as somebody makes them who has the key, and as somebody makes them who has not.

#![allow(clippy::missing_panics_doc, reason = "a token that cannot be made is a failed test")]

use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jwt_compact::alg::{Hs256, Hs256Key, Hs512, Hs512Key};
use jwt_compact::{Algorithm, AlgorithmSignature};
use serde_json::{Value, json};

/// AUTH_SECRET of the hosts that have one.
pub const SECRET: &str = "the key of the hosts under test.";
/// Their AUTH_SECRET_PREVIOUS.
pub const PREVIOUS: &str = "the key of the hosts of last week.";
/// A key that no host has.
pub const FOREIGN: &str = "the key of another deployment, maybe.";

/// The head of a good token.
pub const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// A good token with these claims, for an hour where they do not say how long.
#[must_use]
pub fn token(mut claims: Value) -> String {
    if claims.get("exp").is_none() {
        claims["exp"] = (now() + 3_600).into();
    }
    signed(SECRET, HEADER, claims.to_string())
}

/// A good token that grants these patterns.
#[must_use]
pub fn grants(subscribe: &[&str], publish: &[&str]) -> String {
    token(json!({ "subscribe": subscribe, "publish": publish }))
}

/// Any header and any claims, signed by HMAC with SHA-256.
#[must_use]
pub fn signed(key: impl AsRef<[u8]>, header: &str, claims: impl AsRef<[u8]>) -> String {
    let message = unsigned(header, claims);
    let signature = Hs256.sign(&Hs256Key::new(key), message.as_bytes());
    format!("{message}.{}", part(signature.as_bytes()))
}

/// The same with SHA-512.
#[must_use]
pub fn signed_by_sha512(key: impl AsRef<[u8]>, header: &str, claims: impl AsRef<[u8]>) -> String {
    let message = unsigned(header, claims);
    let signature = Hs512.sign(&Hs512Key::new(key), message.as_bytes());
    format!("{message}.{}", part(signature.as_bytes()))
}

/// Header and claims, without a signature and without the dot before it.
#[must_use]
pub fn unsigned(header: &str, claims: impl AsRef<[u8]>) -> String {
    format!("{}.{}", part(header), part(claims))
}

/// The base64url of one part.
#[must_use]
pub fn part(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of one part.
#[must_use]
pub fn bytes_of(part: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(part).expect("a part of a token is base64url")
}

/// The time in unix seconds, as claims have it.
#[must_use]
pub fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970").as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, appendix A.1: its key, header, claims and signature.
    #[test]
    fn a_token_is_signed_as_in_the_standard() {
        let key = bytes_of(
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        );
        let token = signed(
            key,
            "{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}",
            "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}",
        );
        assert!(token.ends_with(".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), "{token}");
    }
}
