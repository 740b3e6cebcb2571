//! Tokens: made with and without the key, whole and tampered with, one or several in one request.

mod made;

use arbitrary::{Arbitrary, Unstructured};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ssedge::access::{Action, Caller, Scope, TOKEN_COOKIE};
use ssedge::limits::{TOKEN_BYTES, TOKEN_LEEWAY};
use ssedge::problem::Problem;
use ssedge::route::Deployment;
use ssedge::settings::{Host, Settings};
use ssedge::time::UnixMillis;

use super::route;
use crate::stream::{NOW, channel_name};
use crate::token::{PREVIOUS, SECRET};
use made::{Made, Signed};

/// The input is an [`Attempt`]. A token is taken if it is signed by HS256 with a key of the deployment, unchanged, and its
/// time is now, with the leeway; and then it grants what it says and no more.
pub fn token(input: &[u8]) {
    if let Ok(attempt) = Attempt::arbitrary(&mut Unstructured::new(input)) {
        attempt.check();
    }
}

#[derive(Arbitrary, Debug)]
struct Attempt<'a> {
    keys: Keys,
    /// After [`NOW`], in milliseconds.
    now: u16,
    bearer: Option<Token<'a>>,
    cookie: Option<Token<'a>>,
    query: Option<Token<'a>>,
}

/// What the deployment has.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
enum Keys {
    None,
    Current,
    CurrentAndPrevious,
    /// Which is as good as none.
    Previous,
}

#[derive(Arbitrary, Debug)]
enum Token<'a> {
    Text(&'a str),
    Made(Made<'a>),
}

/// What has to come of a token, where that is promised.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Take,
    Refuse,
    Either,
}

/// What a token may consist of in every place: visible ASCII that does not end a cookie.
fn travels(c: &char) -> bool {
    c.is_ascii_graphic() && *c != ';'
}

impl Attempt<'_> {
    fn check(&self) {
        let settings = self.keys.settings();
        let now = UnixMillis(NOW.0 + u64::from(self.now));
        let [bearer, cookie, query] =
            [&self.bearer, &self.cookie, &self.query].map(|token| token.as_ref().map(Token::text));
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, prefix: &str, token: &Option<String>| {
            if let Some(token) = token {
                let value = HeaderValue::try_from(format!("{prefix}{token}")).expect("it is visible ASCII");
                headers.insert(name, value);
            }
        };
        set(header::AUTHORIZATION, "Bearer ", &bearer);
        set(header::COOKIE, &format!("a=b; {TOKEN_COOKIE}="), &cookie);
        let caller =
            Caller::authenticate(&headers, query.as_deref(), &settings.anonymous, settings.secrets(), now);
        let caller = caller.map_err(Problem::from);

        let tokens = [(&self.bearer, &bearer), (&self.cookie, &cookie), (&self.query, &query)];
        let places = tokens.into_iter().enumerate();
        let first = places.filter_map(|(at, (token, text))| Some((at, token.as_ref()?, text.as_ref()?)));
        // An empty one is none, but for a scheme that has nothing behind it.
        let mut first = first.into_iter();
        let Some((place, token, text)) = first.find(|(place, _, text)| *place == 0 || !text.is_empty())
        else {
            let caller = caller.expect("a caller without a token is taken");
            assert_eq!((caller.sub(), caller.ends(), caller.by_cookie()), (None, None, false));
            return;
        };
        match (caller, token.verdict(text, self.keys, now)) {
            (Ok(caller), Verdict::Take | Verdict::Either) => {
                assert_eq!(caller.by_cookie(), place == 1);
                let Token::Made(made) = token else { panic!("{text} was made by nobody") };
                check_caller(&caller, made, now);
            }
            (Err(problem), Verdict::Refuse | Verdict::Either) => {
                let (status, document) = route::document(&problem);
                assert_eq!(status, 401, "{document}");
            }
            (caller, verdict) => panic!("{caller:?} for {text}, but {verdict:?}: {self:?}"),
        }
    }
}

impl Keys {
    fn settings(self) -> Settings {
        let has = |keys: &[Self], key: &str| keys.contains(&self).then(|| key.to_owned());
        let lookup = |name: &str| match name {
            "AUTH_SECRET" => has(&[Self::Current, Self::CurrentAndPrevious], SECRET),
            "AUTH_SECRET_PREVIOUS" => has(&[Self::Previous, Self::CurrentAndPrevious], PREVIOUS),
            _ => None,
        };
        Deployment::read(Host::Worker, lookup).expect("they are good").settings
    }

    const fn hold(self, signed: Signed) -> bool {
        match signed {
            Signed::Current => matches!(self, Self::Current | Self::CurrentAndPrevious),
            Signed::Previous => matches!(self, Self::CurrentAndPrevious),
            Signed::Other | Signed::Not => false,
        }
    }
}

impl Token<'_> {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.chars().filter(travels).collect(),
            Self::Made(made) => made.text(),
        }
    }

    fn verdict(&self, text: &str, keys: Keys, now: UnixMillis) -> Verdict {
        match self {
            Self::Made(made) if text.len() <= TOKEN_BYTES => made.verdict(keys, now),
            _ => Verdict::Refuse,
        }
    }
}

/// A token grants what it says and no more, for as long as it says.
fn check_caller(caller: &Caller, made: &Made, now: UnixMillis) {
    let ends = caller.ends().expect("a token ends");
    assert!(ends > now, "{ends} is over at {now}");
    if !made.is_plain() {
        return;
    }
    let exp = made.expires().unwrap_or_default() * 1e3;
    assert!(ends.0 as f64 - exp <= TOKEN_LEEWAY.as_millis() as f64, "{ends} is long after {exp}");
    assert_eq!(caller.sub(), made.sub());
    for (action, claim) in [(Action::Subscribe, &made.subscribe), (Action::Publish, &made.publish)] {
        let covers = |channel: &str| claim.as_ref().is_some_and(|claim| claim.covers(channel));
        for channel in ["prices", "rooms/lobby", "rooms/a", "rooms/a_b"] {
            let allowed = caller.authorize(action, &channel_name(channel), Scope::Whole, true).is_ok();
            assert_eq!(allowed, covers(channel), "{action} {channel}: {made:?}");
        }
        for key in ["orders", "a"] {
            let allowed = caller.authorize(action, &channel_name("news"), Scope::Key(key), true).is_ok();
            let covered = covers("news") || covers(&format!("news/{key}"));
            assert_eq!(allowed, covered, "{action} {key}: {made:?}");
        }
    }
}
