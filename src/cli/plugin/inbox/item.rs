//! One Deployment, or one Environment, that waits for someone: for whom, since when, and until when.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use slipway_crd::Deployment;
use slipway_crd::deployment_status::Glass;
use slipway_domain::admission::Verb;
use slipway_domain::environment::Environment;
use slipway_domain::phase::Phase;

use crate::plugin::{end, output, seen};

/// What it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Something runs that someone wants to be rid of.
    RollbackReview,
    /// Its Environment takes nothing until this is rolled back, or the Environment freed.
    Failed,
    /// A review of the preview.
    Review,
    /// A second look at what went ahead without review.
    SecondLook,
    /// Something that only a person or another object can help.
    Stalled,
    /// A report that work by hand has begun.
    Start,
    /// A report of how work by hand has ended.
    Report,
    /// A confirmation of the preview.
    Confirmation,
    /// Nobody: it was decided.
    Decided,
}

impl Kind {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::RollbackReview => "rollback review",
            Self::Failed => "reset or rollback",
            Self::Review => "review",
            Self::SecondLook => "second look",
            Self::Stalled => "mending",
            Self::Start => "start",
            Self::Report => "succeed or fail",
            Self::Confirmation => "confirmation",
            Self::Decided => "nobody",
        }
    }

    pub(super) fn verb(self) -> Option<Verb> {
        match self {
            Self::RollbackReview | Self::Review | Self::SecondLook => Some(Verb::Approve),
            Self::Failed => Some(Verb::Reset),
            Self::Start | Self::Report | Self::Confirmation => Some(Verb::Deploy),
            Self::Stalled | Self::Decided => None,
        }
    }
}

/// A line of the inbox.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) namespace: String,
    pub(super) name: String,
    /// What it is, as kubectl names it.
    pub(super) object: String,
    pub(super) kind: Kind,
    /// The caller could decide it.
    pub(super) mine: bool,
    pub(super) environment: String,
    pub(super) release: String,
    pub(super) requester: String,
    pub(super) risk: String,
    pub(super) reference: String,
    pub(super) ticket: String,
    pub(super) summary: String,
    pub(super) since: Option<Timestamp>,
    pub(super) due_at: Option<Timestamp>,
    pub(super) expires_at: Option<Timestamp>,
    /// Who may not decide it, because it is theirs, or they have decided already.
    barred: Vec<String>,
}

impl Item {
    /// Four eyes: whether `caller` is one of those who may decide it.
    pub(super) fn open_to(&self, caller: &str) -> bool {
        !self.barred.iter().any(|barred| barred == caller)
    }

    /// What comes first: what ends soonest, then what has no end by how much it matters and how long it waits.
    pub(super) fn urgency(&self) -> (bool, Option<Timestamp>, Kind, Option<Timestamp>, String) {
        let end = [self.due_at, self.expires_at].into_iter().flatten().min();
        (self.kind == Kind::Decided || end.is_none(), end, self.kind, self.since, self.name.clone())
    }
}

/// What it waits for, if it waits for someone.
pub(super) fn waiting(deployment: &Deployment, place: Option<&Environment>) -> Option<Item> {
    any(deployment, place).filter(|item| item.kind != Kind::Decided)
}

/// The same, or that it was decided.
pub(super) fn any(deployment: &Deployment, place: Option<&Environment>) -> Option<Item> {
    let status = deployment.status.as_ref()?;
    let kind = kind(deployment, place)?;
    let policy = place.map(|place| &place.policy);
    let spec = &deployment.spec;
    let preview = status.preview.as_ref();
    let approval = status.approval.as_ref();
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let mut item = Item {
        namespace: deployment.namespace().unwrap_or_default(),
        name: deployment.name_any(),
        object: output::deployment(&deployment.name_any()),
        kind,
        mine: false,
        environment: spec.environment_ref.name.clone(),
        release: text(seen::release(deployment)),
        requester: text(spec.requester.as_deref()),
        risk: text(preview.map(|preview| preview.risk.as_str())),
        reference: text(preview.map(|preview| preview.reference.as_str())),
        ticket: String::new(),
        summary: text(preview.map(|preview| preview.summary.as_str())),
        since: preview.map(|preview| preview.at),
        due_at: None,
        expires_at: None,
        barred: Vec::new(),
    };
    let makers = [spec.requester.clone(), spec.submitted_by.clone()].into_iter().flatten();
    match kind {
        Kind::Confirmation | Kind::Decided => {}
        Kind::Start | Kind::Report => item.since = status.started_at.or(item.since),
        Kind::Failed => {
            let wrong = status.diagnostics.as_ref();
            item.summary = wrong.map(|wrong| format!("[{}] {}", wrong.code, wrong.message)).unwrap_or_default();
            item.since = status.started_at.or(item.since);
        }
        Kind::Stalled => {
            let (reason, message) = seen::stalled(deployment)?;
            item.summary = format!("{reason}: {message}");
        }
        Kind::Review => {
            let approval = approval?;
            item.ticket = text(approval.ticket.as_deref());
            (item.since, item.due_at, item.expires_at) = (approval.opened_at, approval.due_at, approval.expires_at);
            item.barred = makers.collect();
            item.barred.extend(reviewers(deployment, &item.reference));
        }
        Kind::SecondLook => {
            item.since = status.started_at;
            item.barred = makers.chain(spec.break_glass.as_ref().map(|broken| broken.actor.clone())).collect();
        }
        Kind::RollbackReview => {
            let rollback = seen::awaiting(deployment)?;
            let after = |wait: Option<std::time::Duration>| {
                let wait = SignedDuration::try_from(wait?).ok()?;
                rollback.requested_at.checked_add(wait).ok()
            };
            item.reference.clone_from(&rollback.reference);
            item.since = Some(rollback.requested_at);
            item.due_at = policy.and_then(|policy| after(policy.sla));
            item.expires_at = policy.and_then(|policy| after(policy.approval.expires_after));
            // What is decided is the rollback: what was asked and previewed before is done with.
            item.release = text(rollback.to_release.as_ref().map(|to| to.name.as_str()));
            item.requester = text(rollback.actor.as_deref());
            item.risk = String::new();
            let note = seen::rollback_note(deployment, rollback).map(|note| format!(": {note}"));
            item.summary = format!("{}{}", seen::way_back(deployment, rollback), note.unwrap_or_default());
            item.barred = rollback.actor.iter().cloned().collect();
            item.barred.extend(reviewers(deployment, &rollback.reference));
        }
    }
    Some(item)
}

/// An Environment that waits to be freed, where the Deployment that failed in it is gone.
pub(super) fn left_behind(place: &Environment) -> Item {
    let name = place.id.name.clone();
    Item {
        namespace: place.id.namespace.clone(),
        object: output::environment(&name),
        environment: name.clone(),
        name,
        kind: Kind::Failed,
        mine: false,
        release: String::new(),
        requester: String::new(),
        risk: String::new(),
        reference: String::new(),
        ticket: String::new(),
        summary: "the Deployment that failed in it is gone".to_owned(),
        since: None,
        due_at: None,
        expires_at: None,
        barred: Vec::new(),
    }
}

/// Who has judged this already: a second time counts for nothing.
fn reviewers<'a>(deployment: &'a Deployment, reference: &'a str) -> impl Iterator<Item = String> + 'a {
    let said = deployment.spec.reviews.iter().filter(move |review| review.preview_ref == reference);
    said.map(|review| review.reviewer.clone())
}

fn kind(deployment: &Deployment, place: Option<&Environment>) -> Option<Kind> {
    let status = deployment.status.as_ref()?;
    let reason = seen::condition(deployment, "Ready").map(|(reason, _)| reason);
    // Where no approval is asked for, a rollback only waits for its turn.
    let judged = place.map_or(reason == Some("ReviewRequired"), |place| place.policy.approval.required);
    if judged && seen::awaiting(deployment).is_some() {
        return Some(Kind::RollbackReview);
    }
    if status.break_glass == Some(Glass::Unreviewed) {
        return Some(Kind::SecondLook);
    }
    let failed = place.and_then(|place| place.status.failed.as_ref());
    let under_way = status.rollback.as_ref().is_some_and(|rollback| rollback.state.open());
    if !under_way && failed.is_some_and(|failed| deployment.metadata.uid.as_deref() == Some(failed.as_str())) {
        return Some(Kind::Failed);
    }
    if end::of(deployment).is_none() && seen::stalled(deployment).is_some() {
        return Some(Kind::Stalled);
    }
    match status.phase {
        Phase::PendingApproval => Some(Kind::Review),
        Phase::Approved if reason == Some("InProgress") => Some(Kind::Start),
        Phase::Applying if reason == Some("InProgress") => Some(Kind::Report),
        Phase::Previewed if reason == Some("ConfirmationRequired") => Some(Kind::Confirmation),
        _ => status.approval.as_ref().and_then(|approval| approval.decision).map(|_| Kind::Decided),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn deployment(name: &str, status: &Value) -> Deployment {
        let mut object = json!({
            "apiVersion": "slipway.dev/v1alpha1", "kind": "Deployment", "metadata": {"name": name, "namespace": "shop"},
            "spec": {
                "service": "web", "environmentRef": {"name": "prod"}, "requester": "alice", "submittedBy": "flux",
                "operation": {"deploy": {"releaseRef": {"name": "web"}}}, "workReferences": ["1"], "rollbackPlan": "none",
                "breakGlass": {"actor": "carol", "note": "down"},
                "reviews": [{"reviewer": "dora", "decision": "Approve", "previewRef": "1-a"}],
                "rollbacks": [{"id": "r", "actor": "eve", "note": "errors rise"}],
            },
            "status": status,
        });
        object["status"]["audit"] = json!({"seq": 1, "epoch": 1, "auditedSeq": 1});
        serde_json::from_value(object).unwrap()
    }

    fn preview() -> Value {
        json!({
            "ref": "1-a", "digest": "a", "at": "2026-01-01T00:00:00Z", "risk": "Low", "summary": "1 to add",
            "changes": {"counts": {"added": 1, "changed": 0, "removed": 0, "unchanged": 0}},
        })
    }

    fn review(due: &str, expires: &str) -> Value {
        json!({
            "phase": "PendingApproval", "preview": preview(),
            "approval": {"required": 2, "count": 1, "ticket": "t", "dueAt": due, "expiresAt": expires},
        })
    }

    fn ready(reason: &str) -> Value {
        json!([{
            "type": "Ready", "status": "False", "reason": reason, "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }])
    }

    fn stalled(reason: &str) -> Value {
        let mut conditions = ready(reason);
        conditions[0]["type"] = "Stalled".into();
        conditions[0]["status"] = "True".into();
        conditions
    }

    #[test]
    fn whoever_made_a_request_or_judged_it_is_not_asked() {
        let item = waiting(&deployment("a", &review("2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z")), None).unwrap();
        let open = ["alice", "flux", "dora", "carol", "bob"].map(|caller| item.open_to(caller));
        assert_eq!(open, [false, false, false, true, true]);
        let glass = json!({"phase": "Succeeded", "breakGlass": "Unreviewed", "preview": preview()});
        let item = waiting(&deployment("b", &glass), None).unwrap();
        let open = ["alice", "carol", "bob"].map(|caller| item.open_to(caller));
        assert_eq!((item.kind, open), (Kind::SecondLook, [false, false, true]));
    }

    #[test]
    fn what_ends_soonest_comes_first_then_what_matters_most() {
        let rollback = json!({
            "phase": "Succeeded", "preview": preview(), "conditions": ready("ReviewRequired"),
            "rollback": {
                "id": "r", "origin": "Manual", "actor": "eve", "state": "Requested", "ref": "rollback-r-x",
                "requestedAt": "2026-01-01T00:00:00Z",
                "toRelease": {
                    "name": "web-old", "digest": "b", "deploymentUid": "u", "health": "healthy",
                    "since": "2026-01-01T00:00:00Z",
                },
            },
        });
        let confirm = json!({"phase": "Previewed", "preview": preview(), "conditions": ready("ConfirmationRequired")});
        let all = vec![
            deployment("confirm", &confirm),
            deployment("glass", &json!({"phase": "Succeeded", "breakGlass": "Unreviewed"})),
            deployment("late", &review("2026-01-01T03:00:00Z", "2026-01-01T04:00:00Z")),
            deployment("rollback", &rollback),
            deployment("soon", &review("2026-01-01T03:00:00Z", "2026-01-01T02:00:00Z")),
            deployment("ended", &json!({"phase": "Succeeded"})),
            deployment("busy", &json!({"phase": "Applying"})),
            deployment("by-hand", &json!({"phase": "Approved", "conditions": ready("InProgress")})),
            deployment("at-work", &json!({"phase": "Applying", "conditions": ready("InProgress")})),
            deployment("stuck", &json!({"phase": "Pending", "conditions": stalled("ReleaseNotFound")})),
        ];
        let mut items: Vec<Item> = all.iter().filter_map(|one| waiting(one, None)).collect();
        items.sort_by_key(Item::urgency);
        let names: Vec<&str> = items.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, ["soon", "late", "rollback", "glass", "stuck", "by-hand", "at-work", "confirm"]);
        let of = items.iter().find(|item| item.name == "rollback").unwrap();
        assert_eq!((of.requester.as_str(), of.release.as_str(), of.risk.as_str()), ("eve", "web-old", ""));
        assert_eq!(of.summary, "from release web back to web-old: errors rise");
    }

    #[test]
    fn what_failed_waits_until_its_environment_is_free_or_it_is_rolled_back() {
        let wire = serde_json::from_value(json!({
            "apiVersion": "slipway.dev/v1alpha1", "kind": "Environment",
            "metadata": {
                "name": "prod", "namespace": "shop", "uid": "e", "generation": 1,
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {
                "tier": "development", "project": "shop", "team": "shop",
                "runtime": {"k8s": {"namespace": "shop-prod", "serviceAccountName": "slipway"}},
            },
            "status": {
                "phase": "Failed", "readiness": "ready", "operations": 1, "failed": {"deploymentUid": "d1"},
                "audit": {"seq": 1, "epoch": 1, "auditedSeq": 1},
            },
        }));
        let place = slipway_crd::parse::environment(&wire.unwrap()).unwrap();
        let status =
            json!({"phase": "Failed", "diagnostics": {"code": "health_check_failed", "message": "it crashes"}});
        let of = |uid: &str, status: &Value| {
            let mut deployment = deployment("web", status);
            deployment.metadata.uid = Some(uid.to_owned());
            waiting(&deployment, Some(&place))
        };
        let item = of("d1", &status).unwrap();
        assert_eq!((item.kind, item.summary.as_str()), (Kind::Failed, "[health_check_failed] it crashes"));
        assert!(of("d2", &status).is_none(), "another failed later");
        let mut going_back = status.clone();
        going_back["rollback"] = json!({"id": "automatic", "origin": "Automatic", "state": "Running", "requestedAt": "2026-01-01T00:00:00Z"});
        assert!(of("d1", &going_back).is_none(), "it is being taken back");
        let gone = left_behind(&place);
        assert_eq!((gone.object.as_str(), gone.kind), ("environment.slipway.dev/prod", Kind::Failed));
    }
}
