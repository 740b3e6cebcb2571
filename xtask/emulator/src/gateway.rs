//! What stands in front of the function: its URL, or a REST API of API Gateway.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};

use crate::body::ReplyBody;
use crate::event::{Origin, TooLarge};
use crate::event_rest;
use crate::event_url;

#[derive(Clone, Debug)]
pub enum Gateway {
    Url,
    /// With the name of its stage, which stands in front of every path.
    Rest(String),
}

/// Why a request has no answer of the function.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    /// The path is not below the stage.
    OutsideStage,
    TooLarge,
    /// No process is free.
    Busy,
    /// The function failed before the head of its answer.
    Failed,
}

impl Gateway {
    /// The event of a request.
    ///
    /// # Errors
    /// When the request does not get as far as that.
    pub fn event(&self, request: &Parts, body: &Bytes, origin: Origin<'_>) -> Result<Bytes, Refusal> {
        match self {
            Self::Url => event_url::encode(request, body, origin).map_err(|TooLarge| Refusal::TooLarge),
            Self::Rest(stage) => {
                event_rest::encode(request, body, origin, stage).map_err(|refused| match refused {
                    event_rest::Refused::OutsideStage => Refusal::OutsideStage,
                    event_rest::Refused::TooLarge => Refusal::TooLarge,
                })
            }
        }
    }

    /// The answer to a request that the function does not answer.
    pub fn refuse(&self, refusal: Refusal) -> Response<ReplyBody> {
        let (status, kind, text) = match self {
            Self::Url => of_url(refusal),
            Self::Rest(_) => of_rest(refusal),
        };
        let mut response = Response::new(ReplyBody::whole(text));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(kind) = kind {
            response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(kind));
        }
        response
    }
}

type Told = (StatusCode, Option<&'static str>, &'static str);

/// The statuses of what Lambda refuses are [documented](https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html);
/// the texts are from memory, and not checked. What a function that failed makes is undocumented; status and text are as
/// somebody [reported](https://github.com/awsdocs/aws-lambda-developer-guide/issues/430) them.
const fn of_url(refusal: Refusal) -> Told {
    match refusal {
        Refusal::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            Some("RequestTooLargeException"),
            r#"{"Message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation"}"#,
        ),
        Refusal::Busy => (
            StatusCode::TOO_MANY_REQUESTS,
            Some("TooManyRequestsException"),
            r#"{"Message":"Rate Exceeded."}"#,
        ),
        // A function URL has no stage, so nothing is outside of it.
        Refusal::Failed | Refusal::OutsideStage => (StatusCode::BAD_GATEWAY, None, "Internal Server Error"),
    }
}

/// API Gateway answers a 500 when Lambda refuses an invocation and a 502 when the function fails, both with this text
/// ([documented](https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway-errors.html)). So a function that is
/// busy is a 500 here. The status of a body that is too large is
/// [documented](https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html) for
/// API Gateway's own bound of 10 MB; for Lambda's bound of 6 MB it is assumed. What a path outside of the stage gets, and
/// the texts but for the first, are from memory, and not checked.
const fn of_rest(refusal: Refusal) -> Told {
    const INTERNAL: &str = r#"{"message": "Internal server error"}"#;
    match refusal {
        Refusal::OutsideStage => {
            (StatusCode::FORBIDDEN, Some("ForbiddenException"), r#"{"message":"Forbidden"}"#)
        }
        Refusal::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            Some("RequestTooLargeException"),
            r#"{"message":"Request Too Long"}"#,
        ),
        Refusal::Busy => (StatusCode::INTERNAL_SERVER_ERROR, Some("InternalServerErrorException"), INTERNAL),
        Refusal::Failed => (StatusCode::BAD_GATEWAY, Some("InternalServerErrorException"), INTERNAL),
    }
}
