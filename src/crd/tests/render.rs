//! What is rendered reads back as it was, and renders again to the same bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a step that fails is a test that fails")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use rstest::rstest;
use serde_json::json;
use slipway_crd::{Deployment, Environment, parse, render};
use slipway_domain::attempt::{Attempt, AttemptType};
use slipway_domain::audit::{Audit, Entry, Subject};
use slipway_domain::code::Code;
use slipway_domain::deployment::{Diagnostics, Glass, Status, Ticket};
use slipway_domain::digest::Digest;
use slipway_domain::environment::{
    Claim, EnvironmentPhase, EnvironmentStatus, Health, Readiness, Reset, RunningRelease, Service,
};
use slipway_domain::event::{Action, Detail, ResourceType, Source};
use slipway_domain::guard::{Breach, Guard, Problem};
use slipway_domain::name::ResourceId;
use slipway_domain::phase::{Phase, Step};
use slipway_domain::preview::{Preview, PreviewRef};
use slipway_domain::review::{Counted, Reviews, Verdict};
use slipway_domain::rollback::{Origin, Rollback, RollbackState};
use slipway_domain::runtime::{Changes, Check, Forecast, Risk};
use slipway_domain::wait::Wait;

fn now() -> Timestamp {
    "2026-01-02T03:04:05.678901Z".parse().unwrap()
}

fn guard() -> Guard {
    Guard::InForce { fingerprint: Digest::of(b"policies"), since: now() }
}

fn running() -> RunningRelease {
    RunningRelease {
        name: "web-v0".parse().unwrap(),
        digest: Digest::of(b"v0"),
        deployment: "u-0".parse().unwrap(),
        health: Health::Healthy,
        since: now(),
        variables: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
    }
}

fn full() -> Status {
    let reference = PreviewRef { number: 2, digest: Digest::of(b"plan") };
    let subject = reference.to_string();
    Status {
        phase: Phase::Applying,
        step: Some(Step::Verifying),
        preview: Some(Preview {
            reference,
            forecast: Forecast {
                changes: Changes {
                    added: (0..80).map(|n| format!("v1/ConfigMap/c{n}").parse().unwrap()).collect(),
                    changed: vec!["apps/v1/Deployment/web".parse().unwrap()],
                    removed: vec![],
                    unchanged: vec!["v1/Service/web".parse().unwrap()],
                },
                risk: Risk::Medium,
                checks: vec![Check { name: "scope".into(), message: "all in shop-prod".into() }],
                diff: "- a\n+ b".into(),
            },
            at: now(),
            release: Some(Digest::of(b"release")),
            replaces: Some(PreviewRef { number: 1, digest: Digest::of(b"older plan") }),
            ticket_expired_at: Some(now()),
        }),
        ticket: Some(Ticket {
            id: "u-1-2".into(),
            required: 2,
            opened_at: now(),
            expires_at: Some(now()),
            due_at: None,
        }),
        reviews: Reviews {
            counted: vec![Counted { reviewer: "bob".parse().unwrap(), verdict: Verdict::Approve, subject, at: now() }],
            voided: vec!["carol@1-x".into()],
        },
        approved_at: Some(now()),
        attempt: Some(Attempt {
            not_before: Some(now()),
            ..Attempt::new(&"u-1".parse().unwrap(), AttemptType::EnvDeploy, 2, now())
        }),
        rollback: Some(Rollback {
            state: RollbackState::Failed,
            diagnostics: Some(Diagnostics { code: Code::OperationTimeout, message: "too slow".into(), detail: None }),
            ..Rollback::new("first", Origin::Manual { actor: "dave".parse().unwrap() }, running(), now())
        }),
        handled_rollbacks: vec!["first".into()],
        diagnostics: Some(Diagnostics {
            code: Code::HealthCheckFailed,
            message: "503".into(),
            detail: Some("log".into()),
        }),
        started_at: Some(now()),
        finished_at: Some(now()),
        adopted_from: Some("u-old".parse().unwrap()),
        break_glass: Some(Glass::Unreviewed),
        freeze_overridden: true,
        guard: Some(Digest::of(b"guard")),
        disregarded: vec!["breakGlass".into()],
        audit: Audit { seq: 7, epoch: 3, audited_seq: 6, journal: vec![] },
    }
}

fn stored(status: &slipway_crd::DeploymentStatus) -> Deployment {
    serde_json::from_value(json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "Deployment",
        "metadata": {
            "namespace": "shop", "name": "web-v1", "uid": "u-1", "creationTimestamp": "2026-01-02T03:04:05Z",
        },
        "spec": {
            "service": "web", "environmentRef": {"name": "dev"}, "operation": {"deploy": {"version": "1"}},
            "requester": "alice", "submittedBy": "alice", "workReferences": ["#1"], "rollbackPlan": "none",
        },
        "status": status,
    }))
    .unwrap()
}

#[test]
fn a_status_reads_back_but_for_what_only_the_archive_keeps() {
    let shown = render::deployment(&full(), None, Some(3), None, now());
    let read = parse::deployment(&stored(&shown)).unwrap().status;
    let mut expected = full();
    if let Some(preview) = &mut expected.preview {
        preview.forecast.diff = String::new();
        preview.forecast.changes.unchanged = vec![];
        preview.forecast.changes.added.truncate(slipway_crd::OBJECTS_SHOWN_MAX);
    }
    assert_eq!(read, expected);
    assert_eq!(shown.preview.as_ref().unwrap().changes.counts.added, 80);
}

#[test]
fn rendering_what_was_read_changes_nothing() {
    let shown = stored(&render::deployment(&full(), None, Some(3), None, now())).status.unwrap();
    let read = parse::deployment(&stored(&shown)).unwrap().status;
    let later = now() + jiff::SignedDuration::from_secs(60);
    assert_eq!(render::deployment(&read, None, Some(3), Some(&shown), later), shown);
}

#[test]
fn what_a_failing_part_says_is_cut_to_what_a_status_can_hold() {
    let mut status = full();
    status.diagnostics = Some(Diagnostics { code: Code::ApplyRejected, message: "ä".repeat(9000), detail: None });
    let shown = render::deployment(&status, None, None, None, now());
    assert_eq!(shown.diagnostics.unwrap().message.chars().count(), 4096);
}

#[rstest]
#[case(Phase::Pending, Some(Wait::Release { name: "web-v1".into() }), "False False True ReleaseNotFound")]
#[case(Phase::Previewed, Some(Wait::Confirmation { reference: PreviewRef { number: 1, digest: Digest::of(b"") }, why: None }), "False True False ConfirmationRequired")]
#[case(Phase::PendingApproval, Some(Wait::Review { have: 0, need: 1, subject: "1-aa".into(), until: None, due: None, late: false }), "False True False ReviewRequired")]
#[case(Phase::Applying, None, "False True False Progressing")]
#[case(Phase::Succeeded, None, "True False False Succeeded")]
#[case(Phase::Failed, None, "False False True Failed")]
#[case(Phase::RolledBack, None, "False False True RolledBack")]
#[case(Phase::Rejected, None, "False False True Rejected")]
#[case(Phase::Aborted, None, "False False True Aborted")]
fn kstatus_sees_what_the_phase_says(#[case] phase: Phase, #[case] wait: Option<Wait>, #[case] expected: &str) {
    let status = Status { phase, ..Status::default() };
    let shown = render::deployment(&status, wait.as_ref(), None, None, now());
    let is = |kind: &str| shown.conditions.iter().find(|condition| condition.type_ == kind).unwrap();
    let told =
        format!("{} {} {} {}", is("Ready").status, is("Reconciling").status, is("Stalled").status, is("Ready").reason);
    assert_eq!(told, expected);
}

/// What the condition `Ready` says of a Deployment that ended so, by this event.
fn ending(phase: Phase, action: Action, who: &str, change: impl FnOnce(&mut Status)) -> String {
    let mut status = Status { phase, ..Status::default() };
    let subject = Subject {
        resource_type: ResourceType::Deployment,
        id: ResourceId { namespace: "shop".into(), name: "web-v1".into(), uid: "u-1".parse().unwrap() },
        project: "shop".into(),
        team: "web".into(),
        environment: "dev".into(),
    };
    let detail = Detail::from([("note".to_owned(), "too risky".to_owned())]);
    let (actor, status_then) = (who.parse().unwrap(), phase.status().to_owned());
    let entry = Entry { action, actor, source: Source::Kubectl, status: status_then, detail };
    status.audit.append(&subject, 1, now(), entry);
    change(&mut status);
    let shown = render::deployment(&status, None, None, None, now());
    shown.conditions.into_iter().find(|condition| condition.type_ == "Ready").unwrap().message
}

#[rstest]
#[case::rejected(Phase::Rejected, Action::ReleaseRejected, "rejected by bob: too risky")]
#[case::failed_by_hand(Phase::Failed, Action::ReleaseFailed, "reported as failed by bob: too risky")]
#[case::rolled_back_by_hand(Phase::RolledBack, Action::ReleaseRollbackCompleted, "rolled back by bob: too risky")]
fn an_end_that_people_chose_says_who_and_why(#[case] phase: Phase, #[case] action: Action, #[case] expected: &str) {
    assert_eq!(ending(phase, action, "bob", |_| {}), expected);
}

#[test]
fn an_end_says_what_led_to_it_even_where_the_journal_does_not() {
    let bob = Counted { reviewer: "bob".parse().unwrap(), verdict: Verdict::Reject, subject: "1-aa".into(), at: now() };
    let trimmed = |status: &mut Status| {
        status.audit.journal.clear();
        status.reviews.counted.push(bob);
    };
    assert_eq!(ending(Phase::Rejected, Action::ReleaseRejected, "bob", trimmed), "rejected by bob");
    let adopted = |status: &mut Status| status.adopted_from = Some("u-0".parse().unwrap());
    for phase in [Phase::Succeeded, Phase::Failed, Phase::RolledBack, Phase::Rejected] {
        assert_eq!(ending(phase, Action::ReleaseAdopted, "controller", adopted), "ended so before, as u-0");
    }
}

#[test]
fn a_failure_that_is_being_rolled_back_is_still_being_worked_on() {
    let rollback = Rollback::new("automatic", Origin::Automatic, running(), now());
    let status = Status { phase: Phase::Failed, rollback: Some(rollback), ..Status::default() };
    let shown = render::deployment(&status, None, None, None, now());
    let told: Vec<String> =
        shown.conditions.iter().take(3).map(|told| format!("{}={}", told.type_, told.status)).collect();
    assert_eq!(told, ["Ready=False", "Reconciling=True", "Stalled=False"]);
}

#[rstest]
#[case(Code::HealthCheckFailed, "False HealthCheckFailed")]
#[case(Code::OperationTimeout, "False OperationTimeout")]
#[case(Code::ApplyRejected, "Unknown NotJudged")]
fn what_did_not_become_healthy_in_time_is_not_healthy(#[case] code: Code, #[case] expected: &str) {
    let diagnostics = Some(Diagnostics { code, message: "web is not ready".into(), detail: None });
    let status = Status { phase: Phase::Failed, diagnostics, ..Status::default() };
    let shown = render::deployment(&status, None, None, None, now());
    let healthy = shown.conditions.iter().find(|condition| condition.type_ == "Healthy").unwrap();
    assert_eq!(format!("{} {}", healthy.status, healthy.reason), expected);
}

#[rstest]
#[case(Phase::Succeeded)]
#[case(Phase::Failed)]
fn a_rollback_that_waits_says_for_what(#[case] phase: Phase) {
    let rollback = Rollback::new("r-1", Origin::Manual { actor: "dora".parse().unwrap() }, running(), now());
    let wait =
        Wait::Review { have: 0, need: 1, subject: rollback.reference.clone(), until: None, due: None, late: false };
    let status = Status { phase, rollback: Some(rollback), ..Status::default() };
    let shown = render::deployment(&status, Some(&wait), None, None, now());
    let told = shown.conditions.iter().find(|condition| condition.type_ == "Reconciling").unwrap();
    assert_eq!((told.status.as_str(), told.reason.as_str()), ("True", "ReviewRequired"));
    assert!(told.message.contains("rollback-r-1-"), "{}", told.message);
}

#[test]
fn an_environment_reads_back_and_renders_to_the_same() {
    let status = EnvironmentStatus {
        phase: EnvironmentPhase::Deploying,
        readiness: Readiness::Ready,
        readiness_message: "fine".into(),
        yields_to: Some("shop/production".into()),
        claim: Some(Claim { deployment: "u-1".parse().unwrap(), attempt: "u-1-a1".into(), epoch: 3 }),
        operations: 5,
        services: vec![Service {
            name: "web".parse().unwrap(),
            current: Some(running()),
            previous: None,
            inventory: vec!["v1/ConfigMap/a".parse().unwrap()],
        }],
        failed: Some("u-8".parse().unwrap()),
        policy_digest: Some(Digest::of(b"policy")),
        reset_handled: Some(Digest::of(b"reset")),
        guard: Some(Digest::of(b"guard")),
        audit: Audit { seq: 2, epoch: 3, audited_seq: 2, journal: vec![] },
    };
    let shown = render::environment(&status, None, &guard(), Some(1), None, now());
    let wire: Environment = serde_json::from_value(json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "Environment",
        "metadata": {
            "namespace": "shop", "name": "dev", "uid": "u-2", "creationTimestamp": "2026-01-02T03:04:05Z",
        },
        "spec": {"project": "shop", "team": "web", "tier": "development", "runtime": {"manual": {}}},
        "status": shown,
    }))
    .unwrap();
    let read = parse::environment(&wire).unwrap().status;
    assert_eq!(read, status);
    let later = now() + jiff::SignedDuration::from_secs(60);
    assert_eq!(render::environment(&read, None, &guard(), Some(1), wire.status.as_ref(), later), wire.status.unwrap());
}

#[test]
fn a_reset_that_was_used_before_is_said_not_to_count() {
    let wire =
        |note: &str| slipway_crd::environment::Reset { of: "u-8".into(), actor: "olga".into(), note: note.into() };
    let used = Reset { of: "u-8".parse().unwrap(), actor: "olga".parse().unwrap(), note: "fine".parse().unwrap() };
    let status = EnvironmentStatus {
        phase: EnvironmentPhase::Failed,
        failed: Some("u-8".parse().unwrap()),
        reset_handled: Some(used.digest()),
        ..EnvironmentStatus::default()
    };
    let says = |reset: Option<slipway_crd::environment::Reset>| {
        let shown = render::environment(&status, reset.as_ref(), &guard(), None, None, now());
        shown.conditions[0].message.contains("does not count again")
    };
    assert_eq!((says(Some(wire("fine"))), says(Some(wire("looked again"))), says(None)), (true, false, false));
}

#[rstest]
#[case(None, None)]
#[case(Some(Glass::Unreviewed), Some(("True", "AwaitsSecondLook")))]
#[case(Some(Glass::Reviewed), Some(("False", "LookedAt")))]
fn a_broken_glass_is_seen_until_someone_has_looked(
    #[case] glass: Option<Glass>,
    #[case] expected: Option<(&str, &str)>,
) {
    for phase in Phase::ALL {
        let status = Status { phase, break_glass: glass, ..full() };
        let shown = render::deployment(&status, None, None, None, now());
        let condition = shown.conditions.iter().find(|condition| condition.type_ == "BreakGlass");
        let found = condition.map(|condition| (condition.status.as_str(), condition.reason.as_str()));
        assert_eq!(found, expected, "{phase}");
    }
}

#[test]
fn what_was_decided_about_an_earlier_preview_is_not_shown_for_this_one() {
    let mut status = full();
    let shown = |status: &Status| render::deployment(status, None, None, None, now()).approval.unwrap();
    let approval = shown(&status);
    assert_eq!((approval.reviewed_by.as_deref(), approval.decision), (Some("bob"), Some(Verdict::Approve)));
    status.preview.as_mut().unwrap().reference.number = 3;
    let approval = shown(&status);
    assert_eq!((approval.reviewed_by, approval.reviewed_at, approval.decision), (None, None, None));
    assert_eq!((approval.count, approval.approvals.len()), (Some(0), 1), "it stays in the list");
}

#[test]
fn an_object_that_is_not_right_says_so_and_keeps_its_history() {
    let mut wire = stored(&render::deployment(&full(), None, Some(3), None, now()));
    wire.spec.service = "Web".into();
    let errors = parse::deployment(&wire).unwrap_err();
    let shown = render::refused(&wire, &errors, now());
    assert_eq!(shown.audit.seq, 7);
    assert!(shown.diagnostics.unwrap().message.starts_with("spec.service: must be 1 to 63"));
    wire.status = Some(render::refused(&wire, &errors, now()));
    let later = now() + jiff::SignedDuration::from_secs(60);
    assert_eq!(Some(render::refused(&wire, &errors, later)), wire.status, "saying it again writes nothing");
}

#[rstest]
#[case(Phase::PendingApproval, "False False True PoliciesNotInForce")]
#[case(Phase::Succeeded, "True False False Succeeded")]
#[case(Phase::Failed, "False False True Failed")]
fn while_nobody_is_believed_it_says_why(#[case] phase: Phase, #[case] expected: &str) {
    let breach = Breach { what: "ValidatingAdmissionPolicy slipway-review".into(), problem: Problem::Missing };
    let wait = Wait::Policies { breaches: vec![breach], until: None };
    let shown = render::deployment(&Status { phase, ..Status::default() }, Some(&wait), None, None, now());
    let is = |kind: &str| shown.conditions.iter().find(|condition| condition.type_ == kind).unwrap();
    let told =
        format!("{} {} {} {}", is("Ready").status, is("Reconciling").status, is("Stalled").status, is("Ready").reason);
    assert_eq!(told, expected);
    assert!(is("Ready").message.contains("slipway-review is missing"), "{}", is("Ready").message);
}

#[test]
fn what_counts_for_nothing_and_cannot_be_said_again_is_named() {
    let disregarded = vec!["request".into(), "overrideFreeze".into(), "confirmation 1-aa".into()];
    let status = Status { phase: Phase::Approved, disregarded, ..Status::default() };
    let shown = render::deployment(&status, Some(&Wait::Report), None, None, now());
    let message = &shown.conditions[0].message;
    assert!(message.contains("; spec.overrideFreeze may have been written"), "{message}");
    assert!(message.ends_with("create another Deployment"), "{message}");
}

#[test]
fn a_reset_that_nobody_can_believe_now_says_why() {
    let status = EnvironmentStatus { phase: EnvironmentPhase::Failed, ..EnvironmentStatus::default() };
    let reset = slipway_crd::environment::Reset { of: "u-8".into(), actor: "olga".into(), note: "fine".into() };
    let breach = Breach { what: "ValidatingAdmissionPolicy slipway-reset".into(), problem: Problem::Missing };
    let broken = Guard::Broken { breaches: vec![breach], until: None };
    let says = |reset, guard| {
        let shown = render::environment(&status, reset, guard, None, None, now());
        shown.conditions[0].message.contains("slipway-reset is missing")
    };
    assert!(says(Some(&reset), &broken) && !says(None, &broken) && !says(Some(&reset), &guard()));
}
