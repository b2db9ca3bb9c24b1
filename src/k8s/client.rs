//! Every call is made as the target's account, over one shared pool of connections, and ends in bounded time.
//!
//! The base client belongs to the caller, with all its layers: impersonation only adds headers on top of it. Answers are
//! read here and not by kube, which writes what it cannot parse to the log: it may be a Secret.

use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use kube::api::{DeleteParams, GetParams, Patch, PatchParams, Preconditions};
use kube::client::Body;
use kube::core::{DynamicObject, Request as Calls, Resource as _, Status};
use kube::{Client, Error};
use serde_json::Value;
use slipway_domain::code::Code;
use slipway_domain::runtime::Failure;
use tower::{BoxError, service_fn};

use crate::failure::{self, Asked, CallError};
use crate::kinds::Kind;
use crate::render;
use crate::target::{FIELD_MANAGER, Target};

/// How long the server may take to answer, and again to finish its answer.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait before what changes nothing is tried again.
const PAUSES: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];

/// `base`, calling as the target's account.
pub(crate) fn acting_as(base: &Client, target: &Target) -> Result<Client, Failure> {
    let headers = impersonation(target)?;
    let base = base.clone();
    let service = service_fn(move |mut request: Request<Body>| {
        for (name, value) in &headers {
            request.headers_mut().append(name, value.clone());
        }
        let base = base.clone();
        async move { answer(&base, request).await.map_err(BoxError::from) }
    });
    Ok(Client::new(service, target.namespace.clone()))
}

fn impersonation(target: &Target) -> Result<HeaderMap, Failure> {
    let value = |text: &str| {
        HeaderValue::from_str(text)
            .map_err(|_| failure::refused(Code::ValidationFailed, format!("{text:?} cannot be impersonated")))
    };
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("impersonate-user"), value(&target.user)?);
    for group in &target.groups {
        headers.append(HeaderName::from_static("impersonate-group"), value(group)?);
    }
    Ok(headers)
}

/// The head of the answer, in time. Watches pass here too: their head comes at once, their body as it happens.
async fn answer(client: &Client, request: Request<Body>) -> Result<Response<Body>, Error> {
    let late = || Error::Service(format!("no answer within {} seconds", REQUEST_TIMEOUT.as_secs()).into());
    tokio::time::timeout(REQUEST_TIMEOUT, client.send(request)).await.map_err(|_| late())?
}

/// One request and its whole answer.
pub(crate) async fn call(client: &Client, request: Request<Vec<u8>>) -> Result<Value, CallError> {
    let response = answer(client, request.map(Body::from)).await.map_err(|error| match error {
        Error::Api(status) => CallError::Refused(status),
        other => CallError::lost(&other),
    })?;
    let status = response.status();
    let body = tokio::time::timeout(REQUEST_TIMEOUT, response.into_body().collect())
        .await
        .map_err(|_| CallError::Lost("the answer stopped half-way".to_owned()))?
        .map_err(|error| CallError::lost(&error))?
        .to_bytes();
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|_| CallError::Lost("the answer cannot be read".to_owned()));
    }
    let told = serde_json::from_slice::<Status>(&body).unwrap_or_else(|_| {
        let text: String = String::from_utf8_lossy(&body).trim().chars().take(300).collect();
        Status::failure(&text, status.canonical_reason().unwrap_or_default())
    });
    Err(CallError::Refused(told.with_code(status.as_u16()).boxed()))
}

/// A call that changes nothing (a read, a dry-run), tried again where that may help.
pub(crate) async fn ask<F>(client: &Client, request: F) -> Result<Value, CallError>
where
    F: Fn() -> Result<Request<Vec<u8>>, CallError>,
{
    for pause in PAUSES {
        match call(client, request()?).await {
            Err(error) if error.passing() => {
                tracing::debug!(error = error.message(), "the API server is asked again");
                tokio::time::sleep(error.retry_after().map_or(pause, |wait| Duration::from_secs(wait.min(5)))).await;
            }
            settled => return settled,
        }
    }
    call(client, request()?).await
}

/// Objects of one target, through its account.
pub(crate) struct Access<'a> {
    pub(crate) client: Client,
    pub(crate) target: &'a Target,
}

impl<'a> Access<'a> {
    pub(crate) fn new(base: &Client, target: &'a Target) -> Result<Self, Failure> {
        if !render::name(&target.namespace) {
            let message = format!("{:?} is not the name of a namespace", target.namespace);
            return Err(failure::refused(Code::ValidationFailed, message));
        }
        Ok(Self { client: acting_as(base, target)?, target })
    }

    /// As whoever `base` belongs to, and not as the target's account: for those who only look.
    pub(crate) fn own(base: &Client, target: &'a Target) -> Self {
        Self { client: base.clone(), target }
    }

    fn calls(&self, kind: &Kind) -> Calls {
        let namespace = kind.namespaced.then_some(self.target.namespace.as_str());
        Calls::new(DynamicObject::url_path(&kind.resource, namespace))
    }

    /// The live object.
    pub(crate) async fn get(&self, kind: &Kind, name: &str) -> Result<Option<Value>, Failure> {
        let subject = kind.subject(name);
        let request = || segment(name).and_then(|()| built(self.calls(kind).get(name, &GetParams::default())));
        match ask(&self.client, request).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.not_found() => Ok(None),
            Err(error) => Err(self.failure(&error, kind, "get", &subject)),
        }
    }

    /// Server-side apply: one request, never repeated here.
    pub(crate) async fn apply(&self, kind: &Kind, name: &str, body: &Value) -> Result<Value, CallError> {
        call(&self.client, self.patch(kind, name, body, false)?).await
    }

    /// What the server would store, of which it stores nothing.
    pub(crate) async fn dry_run(&self, kind: &Kind, name: &str, body: &Value) -> Result<Value, CallError> {
        ask(&self.client, || self.patch(kind, name, body, true)).await
    }

    fn patch(&self, kind: &Kind, name: &str, body: &Value, dry_run: bool) -> Result<Request<Vec<u8>>, CallError> {
        segment(name)?;
        let mut params = PatchParams::apply(FIELD_MANAGER).force().validation_strict();
        params.dry_run = dry_run;
        built(self.calls(kind).patch(name, &params, &Patch::Apply(body)))
    }

    /// Deletes the very object that was read; what it owns follows in the background.
    pub(crate) async fn delete(&self, kind: &Kind, name: &str, live: &Value) -> Result<Value, CallError> {
        segment(name)?;
        let text = |field: &str| live["metadata"][field].as_str().map(str::to_owned);
        let preconditions = Preconditions { uid: text("uid"), resource_version: text("resourceVersion") };
        let params = DeleteParams::background().preconditions(preconditions);
        call(&self.client, built(self.calls(kind).delete(name, &params))?).await
    }

    /// The failure for a call about `subject`.
    pub(crate) fn failure(&self, error: &CallError, kind: &Kind, verb: &str, subject: &str) -> Failure {
        let resource = kind.plural();
        failure::of_call(error, Asked { verb, resource: &resource, subject }, self.target)
    }
}

pub(crate) fn built<E: std::error::Error>(request: Result<Request<Vec<u8>>, E>) -> Result<Request<Vec<u8>>, CallError> {
    request.map_err(|error| unsendable(&error.to_string()))
}

/// Names from an inventory were not rendered here: nothing but one segment of a URL is sent.
fn segment(name: &str) -> Result<(), CallError> {
    if render::name(name) { Ok(()) } else { Err(unsendable(&format!("{name:?} is not the name of an object"))) }
}

fn unsendable(why: &str) -> CallError {
    CallError::Refused(Status::failure(why, "BadRequest").with_code(400).boxed())
}
