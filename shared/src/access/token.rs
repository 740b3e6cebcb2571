//! Tokens: JSON Web Tokens ([RFC 7519]) signed with HS256, and no others.
//!
//! [RFC 7519]: https://www.rfc-editor.org/rfc/rfc7519

use jwt_compact::alg::{Hs256, Hs256Key};
use jwt_compact::{AlgorithmExt, UntrustedToken, ValidationError};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Grants, Secret};
use crate::limits::{TOKEN_BYTES, TOKEN_DAYS, TOKEN_LEEWAY, TOKEN_LIFE};
use crate::time::UnixMillis;

/// Why a token is refused. The text is for its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// The deployment has no key.
    #[error("this deployment takes none")]
    Disabled,
    /// It is longer than any that is meant for here.
    #[error("it must be at most {TOKEN_BYTES} bytes")]
    TooLong,
    /// It cannot be read.
    #[error("it must be a JSON Web Token: a header, claims and a signature, each in base64url")]
    Malformed,
    /// It is signed by another algorithm, or by none.
    #[error("its algorithm must be HS256, without critical extensions")]
    Algorithm,
    /// It is signed with another key, or was changed.
    #[error("it is not signed with the key of this deployment")]
    Signature,
    /// It says something in a form that is not understood.
    #[error(
        "its claims must be an object: exp and nbf in unix seconds, sub a string, subscribe, publish and close lists of strings"
    )]
    Claims,
    /// It does not say when it expires.
    #[error("it must say when it expires (exp)")]
    NoExpiry,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time would hardly ever be over.
    #[error(
        "its exp must be at most {TOKEN_DAYS} days ahead, in unix seconds; this one was most likely given in milliseconds"
    )]
    TooFar,
    /// Its time has not come.
    #[error("it is not valid yet (nbf)")]
    NotYet,
}

/// What a token says of its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) sub: Option<String>,
    pub(super) grants: Grants,
    /// When what was opened with it ends.
    pub(super) ends: UnixMillis,
}

/// A token with an extension that must be understood is to be refused by who does not ([RFC 7515 § 4.1.11]).
///
/// [RFC 7515 § 4.1.11]: https://www.rfc-editor.org/rfc/rfc7515#section-4.1.11
#[derive(Clone, Deserialize)]
struct Extensions {
    crit: Option<IgnoredAny>,
}

/// The claims beside those about time.
#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    #[serde(default)]
    subscribe: Vec<String>,
    #[serde(default)]
    publish: Vec<String>,
    #[serde(default)]
    close: Vec<String>,
}

impl Token {
    /// Reads a token that was signed with one of the keys.
    pub(super) fn read<'a>(
        token: &str,
        keys: impl IntoIterator<Item = &'a Secret>,
        now: UnixMillis,
    ) -> Result<Self, InvalidToken> {
        let mut keys = keys.into_iter().peekable();
        if keys.peek().is_none() {
            return Err(InvalidToken::Disabled);
        }
        if token.len() > TOKEN_BYTES {
            return Err(InvalidToken::TooLong);
        }
        let untrusted = UntrustedToken::<Extensions>::try_from(token).map_err(|_| InvalidToken::Malformed)?;
        if untrusted.header().other_fields.crit.is_some() {
            return Err(InvalidToken::Algorithm);
        }
        let mut refused = InvalidToken::Signature;
        for key in keys {
            match Hs256.validator::<Claims>(&Hs256Key::new(key.bytes())).validate(&untrusted) {
                Ok(token) => return Self::at(token.into_parts().1, now),
                Err(e) => refused = reason(&e),
            }
        }
        Err(refused)
    }

    fn at(claims: jwt_compact::Claims<Claims>, now: UnixMillis) -> Result<Self, InvalidToken> {
        let millis = |seconds: i64| UnixMillis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000));
        let expires = claims.expiration.ok_or(InvalidToken::NoExpiry)?;
        let (expires, begins) =
            (millis(expires.timestamp()), claims.not_before.map(|begins| millis(begins.timestamp())));
        if now >= expires + TOKEN_LEEWAY {
            return Err(InvalidToken::Expired);
        }
        if expires > now + TOKEN_LIFE {
            return Err(InvalidToken::TooFar);
        }
        if begins.is_some_and(|begins| begins > now + TOKEN_LEEWAY) {
            return Err(InvalidToken::NotYet);
        }
        let Claims { sub, subscribe, publish, close } = claims.custom;
        // The leeway is for clocks that differ: what is opened within it ends with it.
        let ends = if now < expires { expires } else { expires + TOKEN_LEEWAY };
        Ok(Self { sub, grants: Grants::of_token(&subscribe, &publish, &close), ends })
    }
}

const fn reason(error: &ValidationError) -> InvalidToken {
    match error {
        ValidationError::AlgorithmMismatch { .. } => InvalidToken::Algorithm,
        ValidationError::MalformedClaims(_) => InvalidToken::Claims,
        _ => InvalidToken::Signature,
    }
}

#[cfg(test)]
mod tests {
    use jwt_compact::{Claims, Header};
    use serde_json::{Value, json};

    use super::*;
    use crate::access::{Action, Scope};

    const NOW: UnixMillis = UnixMillis(1_795_341_600_000);
    const SECS: i64 = 1_795_341_600;
    const KEY: &str = "a key of at least thirty-two bytes";

    /// A token of exactly these claims.
    fn signed(key: &str, claims: &Value) -> String {
        let claims = Claims::new(claims.clone());
        Hs256.token(&Header::empty(), &claims, &Hs256Key::new(key)).unwrap()
    }

    fn keys(vars: &[&str]) -> Vec<Secret> {
        vars.iter().map(|key| Secret::new((*key).to_owned()).unwrap()).collect()
    }

    fn read(token: &str) -> Result<Token, InvalidToken> {
        Token::read(token, &keys(&[KEY]), NOW)
    }

    #[track_caller]
    fn check(claims: &Value, expected: Result<(), InvalidToken>) {
        assert_eq!(read(&signed(KEY, claims)).map(drop), expected, "{claims}");
    }

    #[test]
    fn a_token_says_who_and_what_and_until_when() {
        let claims = json!({"sub": "ada", "exp": SECS + 60, "publish": ["chat/*", "no pattern"], "jti": 7});
        let token = read(&signed(KEY, &claims)).unwrap();
        assert_eq!((token.sub.as_deref(), token.ends), (Some("ada"), UnixMillis(NOW.0 + 60_000)));
        assert!(token.grants.allow(Action::Publish, "chat/lobby", Scope::Whole));
        assert!(!token.grants.allow(Action::Subscribe, "chat/lobby", Scope::Whole));
    }

    #[test]
    fn time_is_checked_with_a_leeway() {
        use InvalidToken::{Expired, NoExpiry, NotYet};
        check(&json!({"exp": SECS - 29}), Ok(()));
        check(&json!({"exp": SECS - 30}), Err(Expired));
        check(&json!({"exp": -1}), Err(Expired));
        check(&json!({"exp": i64::MIN}), Err(InvalidToken::Claims));
        check(&json!({"exp": SECS + 60, "nbf": SECS + 30}), Ok(()));
        check(&json!({"exp": SECS + 60, "nbf": SECS + 31}), Err(NotYet));
        check(&json!({"exp": SECS + 60, "nbf": -8_334_601_228_800_i64}), Ok(()));
        check(&json!({}), Err(NoExpiry));
        let late = read(&signed(KEY, &json!({"exp": SECS - 10}))).unwrap();
        assert_eq!(late.ends, UnixMillis(NOW.0 + 20_000));
    }

    #[test]
    fn an_expiry_in_milliseconds_is_none() {
        let days = |days: i64| SECS + days * 24 * 60 * 60;
        check(&json!({"exp": days(400)}), Ok(()));
        for exp in [days(400) + 1, SECS * 1_000, (SECS + 60) * 1_000] {
            check(&json!({"exp": exp}), Err(InvalidToken::TooFar));
        }
        // In microseconds it is beyond every time that can be told.
        check(&json!({"exp": SECS * 1_000_000}), Err(InvalidToken::Claims));
        let says = InvalidToken::TooFar.to_string();
        assert!(
            says.contains("400 days") && says.contains("seconds") && says.contains("milliseconds"),
            "{says}"
        );
    }

    #[test]
    fn claims_have_their_types() {
        for claims in [
            json!({"exp": "soon"}),
            json!({"exp": null}),
            json!({"exp": SECS + 60, "sub": 7}),
            json!({"exp": SECS + 60, "publish": "chat/*"}),
            json!({"exp": SECS + 60, "subscribe": [1]}),
        ] {
            check(&claims, Err(InvalidToken::Claims));
        }
        check(&json!({"exp": SECS + 60, "publish": ["x".repeat(TOKEN_BYTES)]}), Err(InvalidToken::TooLong));
    }

    #[test]
    fn either_key_reads_and_no_other() {
        let other = "another key of thirty-two bytes!";
        let token = signed(other, &json!({"exp": SECS + 60}));
        assert_eq!(read(&token), Err(InvalidToken::Signature));
        assert!(Token::read(&token, &keys(&[KEY, other]), NOW).is_ok());
        assert_eq!(Token::read(&token, &[], NOW), Err(InvalidToken::Disabled));
    }

    #[test]
    fn a_changed_token_is_refused() {
        let token = signed(KEY, &json!({"sub": "ada", "exp": SECS + 60}));
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(read(&changed).is_err(), "{changed}");
            assert!(read(&token[..at]).is_err(), "{}", &token[..at]);
        }
        for text in
            ["", ".", "..", "a.b.c", "é.é.é", "\u{0}", &format!("{token}.{token}"), &format!(" {token}")]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_hs256_is_taken_and_only_what_is_understood() {
        use jwt_compact::Renamed;
        let claims = Claims::new(json!({"exp": SECS + 60}));
        for name in ["none", "None", "RS256", "HS512", "hs256", ""] {
            let token =
                Renamed::new(Hs256, name).token(&Header::empty(), &claims, &Hs256Key::new(KEY)).unwrap();
            assert_eq!(read(&token), Err(InvalidToken::Algorithm), "{name}");
        }
        let critical = Header::new(json!({"crit": ["exp"]}));
        let token = Hs256.token(&critical, &claims, &Hs256Key::new(KEY)).unwrap();
        assert_eq!(read(&token), Err(InvalidToken::Algorithm));
    }
}
