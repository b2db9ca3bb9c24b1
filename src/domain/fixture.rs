//! One valid request, one valid Environment, and people: what the tests of this crate start from and change.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::deployment::{Act, Deployment, Intents, Operation, Request, Status, Ticket};
use crate::digest::Digest;
use crate::environment::{
    Environment, EnvironmentPhase, EnvironmentStatus, Health, Readiness, RunningRelease, RuntimeKind, Service,
};
use crate::event::Source;
use crate::guard::Guard;
use crate::name::{Actor, Note, ResourceId, Uid};
use crate::phase::Phase;
use crate::policy::{Policy, Retry, Tier};
use crate::preview::{Plan, Preview, PreviewRef};
use crate::review::{Review, Verdict};
use crate::runtime::{Changes, Content, Failure, Forecast, Risk};
use crate::safeguard::Reach;

/// So many minutes after the request was made.
pub(crate) fn at(minutes: i64) -> Timestamp {
    let start: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
    start + SignedDuration::from_mins(minutes)
}

pub(crate) fn actor(name: &str) -> Actor {
    name.parse().unwrap()
}

pub(crate) fn note(text: &str) -> Note {
    text.parse().unwrap()
}

pub(crate) fn uid(text: &str) -> Uid {
    text.parse().unwrap()
}

pub(crate) fn act(who: &str) -> Act {
    Act { actor: actor(who), note: note("because") }
}

/// A review of `subject` by `who`, with a note.
pub(crate) fn review(who: &str, verdict: Verdict, subject: &str) -> Review {
    Review { reviewer: actor(who), verdict, subject: subject.to_owned(), note: Some(note("looked at it")) }
}

/// alice asks for release web-v2; she created the object herself.
pub(crate) fn request() -> Request {
    Request {
        service: "web".parse().unwrap(),
        environment: "shop".parse().unwrap(),
        operation: Operation::Deploy { release: "web-v2".parse().unwrap() },
        requester: actor("alice"),
        submitted_by: actor("alice"),
        work_references: vec!["#12".to_owned()],
        rollback_plan: "apply web-v1 again".to_owned(),
        risk: Some("additive".to_owned()),
        variables: BTreeMap::new(),
        digest: Digest::of(b"request"),
    }
}

/// A Deployment that nobody has looked at yet.
pub(crate) fn deployment() -> Deployment {
    Deployment {
        id: ResourceId { namespace: "team".to_owned(), name: "web-v2".to_owned(), uid: uid("d2") },
        created_at: at(0),
        source: Source::Kubectl,
        request: request(),
        intents: Intents::default(),
        deleting: false,
        status: Status::default(),
    }
}

/// The Deployment in `phase`, with the preview and the ticket that it has there.
pub(crate) fn deployment_in(phase: Phase) -> Deployment {
    let mut deployment = deployment();
    deployment.status.phase = phase;
    if phase != Phase::Pending {
        deployment.status.preview = Some(preview());
        deployment.status.ticket = Some(Ticket {
            id: "d2-1".to_owned(),
            required: 1,
            opened_at: at(1),
            expires_at: Some(at(31)),
            due_at: None,
        });
    }
    deployment
}

/// The preview that stands in [`deployment_in`].
pub(crate) fn preview() -> Preview {
    let reference = PreviewRef { number: 1, digest: Digest::of(b"plan") };
    let release = Some(Digest::of(b"release"));
    Preview { reference, forecast: forecast(), at: at(0), release, replaces: None, ticket_expired_at: None }
}

/// An Environment of a tier where web-v1 runs, brought by another Deployment.
pub(crate) fn environment(tier: Tier, runtime: RuntimeKind) -> Environment {
    let web = Service {
        name: "web".parse().unwrap(),
        current: Some(running("web-v1", "d1")),
        previous: None,
        inventory: Vec::new(),
    };
    let mut environment = Environment {
        id: ResourceId { namespace: "team".to_owned(), name: "shop".to_owned(), uid: uid("e1") },
        created_at: at(-60),
        project: "shop".to_owned(),
        team: "web".to_owned(),
        tier,
        runtime,
        reach: Reach {
            place: Digest::of(b"place"),
            allowed_kinds: BTreeSet::new(),
            targets: ["shop as deployer".to_owned()].into(),
        },
        policy: Policy::default_for(tier, runtime),
        digest: Digest::of(b""),
        health_checks: Vec::new(),
        timeout: Duration::from_mins(30),
        retry: Retry::default(),
        changed_by: Some(actor("petra")),
        reset: None,
        deleting: false,
        status: EnvironmentStatus {
            phase: EnvironmentPhase::Active,
            readiness: Readiness::Ready,
            services: vec![web],
            ..EnvironmentStatus::default()
        },
    };
    govern(&mut environment, |_| {});
    environment
}

pub(crate) fn development() -> Environment {
    environment(Tier::Development, RuntimeKind::Kubernetes)
}

pub(crate) fn production() -> Environment {
    environment(Tier::Production, RuntimeKind::Kubernetes)
}

pub(crate) fn by_hand() -> Environment {
    environment(Tier::Production, RuntimeKind::Manual)
}

/// Changes the policy, and with it the digest that covers it.
pub(crate) fn govern(environment: &mut Environment, change: impl FnOnce(&mut Policy)) {
    change(&mut environment.policy);
    environment.digest = Digest::of_json(&serde_json::to_value(&environment.policy).unwrap());
}

pub(crate) fn running(release: &str, deployment: &str) -> RunningRelease {
    RunningRelease {
        name: release.parse().unwrap(),
        digest: Digest::of(release.as_bytes()),
        deployment: uid(deployment),
        health: Health::Healthy,
        since: at(-60),
        variables: BTreeMap::new(),
    }
}

/// The policies are in force, and were long before the request was made.
pub(crate) fn guard() -> Guard {
    Guard::InForce { fingerprint: Digest::of(b"policies"), since: at(-60) }
}

/// What would be applied while the release and its templates say `content`.
pub(crate) fn plan(request: &Request, environment: &Environment, content: &str) -> Plan {
    plan_under(&guard(), request, environment, content)
}

/// The same, while the policies are so.
pub(crate) fn plan_under(guard: &Guard, request: &Request, environment: &Environment, content: &str) -> Plan {
    let objects = vec!["v1/ConfigMap/web".parse().unwrap()];
    let content = Content { digest: Digest::of(content.as_bytes()), inventory: objects };
    let release = request.operation.release().map(|name| (name.clone(), Digest::of(name.as_str().as_bytes())));
    Plan::new(request, environment, release, content, guard)
}

pub(crate) fn forecast() -> Forecast {
    let web = "v1/ConfigMap/web".parse().unwrap();
    let changes = Changes { changed: vec![web], ..Changes::default() };
    Forecast { changes, risk: Risk::Low, checks: Vec::new(), diff: String::new() }
}

pub(crate) fn failure(code: crate::code::Code) -> Failure {
    Failure { code, message: "it broke".to_owned(), detail: None, retryable: false, changed: true }
}

/// Compares with a file that a reviewer can read; `UPDATE_GOLDEN=1` writes it anew.
pub(crate) fn golden(file: &str, lines: &[String]) {
    let actual = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let before = expected.lines().map(Some).chain(std::iter::repeat(None));
    let differs = actual.lines().map(Some).chain([None]).zip(before).enumerate().find(|(_, (is, was))| is != was);
    if let Some((line, (is, was))) = differs {
        panic!(
            "{} says otherwise in line {}:\n  file  {}\n  code  {}\nUPDATE_GOLDEN=1 writes it anew",
            path.display(),
            line + 1,
            was.unwrap_or("(ends)"),
            is.unwrap_or("(ends)"),
        );
    }
}
