//! What is being decided, on one screen: who wants what where, what it would change, and what it waits for.

use std::fmt::Write as _;

use jiff::Timestamp;
use slipway_crd::Deployment;
use slipway_crd::deployment_status::{Approval, Counted, Rollback};
use slipway_crd::preview::Preview;
use slipway_domain::phase::{Phase, Step};
use slipway_domain::runtime::Risk;

use super::clock::relative;
use super::paint::Paint;
use super::seen::{self, Seen};
use super::table::plain;
use super::tree::Node;

/// How many objects of each kind of change are named.
const OBJECTS: usize = 20;

/// A phase, in its colour.
pub(super) fn phase(phase: Phase, paint: Paint) -> String {
    let text = phase.as_str();
    match phase {
        Phase::Succeeded => paint.green(text),
        Phase::Failed | Phase::Rejected | Phase::Aborted | Phase::RolledBack => paint.red(text),
        Phase::Pending | Phase::Previewed | Phase::PendingApproval | Phase::Approved => paint.yellow(text),
        Phase::Applying => paint.cyan(text),
    }
}

/// What a runtime is doing.
pub(super) fn step(step: Step) -> &'static str {
    match step {
        Step::BackingUp => "making a backup",
        Step::CheckingDrift => "looking for drift",
        Step::Applying => "applying",
        Step::Verifying => "judging its health",
    }
}

/// The card of a Deployment that somebody is about to roll back: what that would do, and nothing of the preview before.
pub(super) fn before_rollback(seen: &Seen, way: &str, paint: Paint) -> String {
    let mut text = request(seen, paint);
    let _ = writeln!(text, "  {:<13}{}", "rollback", paint.bold(&plain(way)));
    text
}

/// The whole card.
pub(super) fn card(seen: &Seen, now: Timestamp, paint: Paint) -> String {
    let mut text = request(seen, paint);
    let Some(status) = seen.status() else { return text };
    // What is decided is a rollback, if one waits: the preview before it is done with.
    if let Some(waiting) = seen::awaiting(&seen.object) {
        text.push_str(&rollback_asked(&seen.object, waiting, now, paint));
        return text;
    }
    if let Some(made) = &status.preview {
        text.push_str(&preview(made, now, paint));
    }
    if let Some(approval) = &status.approval {
        text.push_str(&review(approval, now));
    }
    text
}

/// Who asks for what, and where that is.
fn request(seen: &Seen, paint: Paint) -> String {
    let (object, spec) = (&seen.object, &seen.object.spec);
    let heading = format!("Deployment {}", seen.name());
    let mut text = format!("{}  {}\n", paint.bold(&heading), phase(seen.phase(), paint));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<13}{}", plain(value));
    };
    let release = seen::release(object).map(|release| format!(" {release}")).unwrap_or_default();
    line("change", &format!("{}{release}, service {}", seen::operation(object), spec.service));
    line("environment", &spec.environment_ref.name);
    line("requester", &people(spec.requester.as_deref(), spec.submitted_by.as_deref()));
    line("work", &spec.work_references.join(", "));
    if let Some(risk) = &spec.risk {
        line("risk note", risk);
    }
    line("way back", &spec.rollback_plan);
    if !spec.variables.is_empty() {
        let variables: Vec<String> = spec.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        line("variables", &variables.join(", "));
    }
    if let Some((reason, message)) = seen::condition(object, "Ready").filter(|(_, message)| !message.is_empty()) {
        line("now", &format!("{reason}: {message}"));
    }
    if let Some(wrong) = seen.status().and_then(|status| status.diagnostics.as_ref()) {
        line("wrong", &format!("[{}] {}", wrong.code, wrong.message));
    }
    text
}

fn people(requester: Option<&str>, submitter: Option<&str>) -> String {
    match (requester, submitter) {
        (Some(requester), Some(submitter)) if requester != submitter => {
            format!("{requester}, submitted by {submitter}")
        }
        (Some(requester), _) => requester.to_owned(),
        (None, _) => String::new(),
    }
}

/// The preview, as the status has it.
pub(super) fn preview(preview: &Preview, now: Timestamp, paint: Paint) -> String {
    let risk = preview.risk.as_str();
    let risk = match preview.risk {
        Risk::High => paint.red(risk),
        Risk::Medium => paint.yellow(risk),
        Risk::Low | Risk::None => paint.green(risk),
    };
    let made = relative(preview.at, now);
    let mut text = format!("  {:<13}{}\n", "preview", paint.bold(&preview.reference));
    let _ = writeln!(text, "  {:<13}made {made}, risk {risk}: {}", "", plain(&preview.summary));
    let (changes, counts) = (&preview.changes, &preview.changes.counts);
    let all = [
        ("+", &changes.added, counts.added),
        ("~", &changes.changed, counts.changed),
        ("-", &changes.removed, counts.removed),
    ];
    for (sign, objects, count) in all {
        for object in objects.iter().take(OBJECTS) {
            let entry = format!("{sign} {}", plain(object));
            let entry = match sign {
                "+" => paint.green(&entry),
                "-" => paint.red(&entry),
                _ => paint.yellow(&entry),
            };
            let _ = writeln!(text, "  {:<13}{entry}", "");
        }
        let more = usize::try_from(count).unwrap_or(usize::MAX).saturating_sub(objects.len().min(OBJECTS));
        if more > 0 {
            let _ = writeln!(text, "  {:<13}{sign} {more} more", "");
        }
    }
    for (place, check) in preview.checks.iter().enumerate() {
        let name = if place == 0 { "checks" } else { "" };
        let _ = writeln!(text, "  {name:<13}{}: {}", plain(&check.name), plain(&check.message));
    }
    if let Some(at) = preview.ticket_expired_at {
        let _ = writeln!(text, "  {:<13}the ticket before this preview ran out {}", "", relative(at, now));
    }
    if let Some(replaced) = &preview.replaces {
        let _ = writeln!(text, "  {:<13}it replaces {}, and what was said about that is void", "", plain(replaced));
    }
    text
}

fn review(approval: &Approval, now: Timestamp) -> String {
    let Some(required) = approval.required else { return String::new() };
    let mut text = format!("  {:<13}{} of {required} approvals", "review", approval.count.unwrap_or(0));
    if let Some(due) = approval.due_at {
        let _ = write!(text, ", due {}", relative(due, now));
    }
    if let Some(expires) = approval.expires_at {
        let _ = write!(text, ", expires {}", relative(expires, now));
    }
    if let Some(ticket) = &approval.ticket {
        let _ = write!(text, "; ticket {ticket}");
    }
    text.push('\n');
    for counted in &approval.approvals {
        let _ = writeln!(text, "  {:<13}{}", "", plain(&said(counted, now)));
    }
    text
}

fn said(counted: &Counted, now: Timestamp) -> String {
    let verdict = counted.decision.as_str().to_lowercase();
    format!("{verdict} of {} by {} {}", short(&counted.preview_ref), counted.reviewer, relative(counted.at, now))
}

/// A reference that a person can tell from another.
pub(super) fn short(reference: &str) -> String {
    match reference.rsplit_once('-') {
        Some((before, digest)) if digest.len() > 12 && digest.is_ascii() => format!("{before}-{}…", &digest[..12]),
        _ => reference.to_owned(),
    }
}

/// A rollback that is decided about: its own reference, what it would change, who wants it and why.
fn rollback_asked(object: &Deployment, rollback: &Rollback, now: Timestamp, paint: Paint) -> String {
    let mut text = format!("  {:<13}{}\n", "rollback", paint.bold(&plain(&rollback.reference)));
    let mut line = |name: &str, words: &str| {
        let _ = writeln!(text, "  {name:<13}{}", plain(words));
    };
    line("", &seen::way_back(object, rollback));
    line("", &wanted_by(object, rollback, now));
    let reviews = object.status.iter().filter_map(|status| status.approval.as_ref());
    for counted in reviews.flat_map(|approval| &approval.approvals) {
        if counted.preview_ref == rollback.reference {
            line("review", &said(counted, now));
        }
    }
    text
}

/// Who wants a rollback, since when and why.
fn wanted_by(object: &Deployment, rollback: &Rollback, now: Timestamp) -> String {
    let actor = rollback.actor.as_deref().unwrap_or("its health checks");
    let note = seen::rollback_note(object, rollback).map(|note| format!(": {note}")).unwrap_or_default();
    format!("asked for by {actor} {}{note}", relative(rollback.requested_at, now))
}

/// The newest rollback and what became of it, as a branch of a tree.
pub(super) fn rollback(object: &Deployment, rollback: &Rollback, now: Timestamp, paint: Paint) -> Node {
    let heading =
        format!("rollback {}, {}: {}", rollback.id, rollback.state.as_str(), seen::way_back(object, rollback));
    let mut node = Node::new(plain(&heading));
    node.line(plain(&wanted_by(object, rollback, now)));
    if !rollback.reference.is_empty() {
        node.line(plain(&rollback.reference));
    }
    if let Some(wrong) = &rollback.diagnostics {
        node.line(paint.red(&plain(&format!("[{}] {}", wrong.code, wrong.message))));
    }
    node
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_card_says_all_that_is_decided_and_obeys_nobody() {
        let digest = "3f9a".repeat(16);
        let raw = json!({
            "apiVersion": "slipway.dev/v1alpha1", "kind": "Deployment",
            "metadata": {"name": "web-v2", "namespace": "shop", "uid": "u-1"},
            "spec": {
                "service": "web", "environmentRef": {"name": "production"},
                "operation": {"deploy": {"releaseRef": {"name": "web-v2"}}},
                "requester": "alice@example.com", "submittedBy": "flux@example.com",
                "workReferences": ["https://git.example.com/shop/issues/12"],
                "rollbackPlan": "Re-apply\u{1b}[2J web-v1", "risk": "Schema change",
                "variables": {"LOG_LEVEL": "info"},
            },
            "status": {
                "phase": "PendingApproval",
                "conditions": [{
                    "type": "Ready", "status": "False", "reason": "ReviewRequired", "message": "has 0 of 1 approvals",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }],
                "preview": {
                    "ref": format!("1-{digest}"), "digest": digest, "at": "2026-01-01T00:00:00Z", "risk": "Medium",
                    "summary": "1 to add, 1 to change, 0 to remove, 3 unchanged",
                    "checks": [{"name": "adopts v1/ConfigMap/web", "message": "it exists"}],
                    "changes": {
                        "added": ["v1/Service/web"], "changed": ["apps/v1/Deployment/web"],
                        "counts": {"added": 1, "changed": 1, "removed": 0, "unchanged": 3},
                    },
                },
                "approval": {
                    "required": 1, "count": 0, "ticket": "u-1-1", "openedAt": "2026-01-01T00:00:00Z",
                    "dueAt": "2026-01-01T00:30:00Z", "expiresAt": "2026-01-01T00:40:00Z",
                },
                "audit": {"seq": 4, "epoch": 1, "auditedSeq": 4},
            },
        });
        let object = serde_json::from_value(raw.clone()).unwrap();
        let now = "2026-01-01T00:10:00Z".parse().unwrap();
        let text = card(&Seen { raw, object }, now, Paint::none());
        assert!(!text.contains('\u{1b}'), "{text:?}");
        insta::assert_snapshot!(text, @r"
        Deployment shop/web-v2  PendingApproval
          change       deploy web-v2, service web
          environment  production
          requester    alice@example.com, submitted by flux@example.com
          work         https://git.example.com/shop/issues/12
          risk note    Schema change
          way back     Re-apply [2J web-v1
          variables    LOG_LEVEL=info
          now          ReviewRequired: has 0 of 1 approvals
          preview      1-3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a
                       made 10m ago, risk Medium: 1 to add, 1 to change, 0 to remove, 3 unchanged
                       + v1/Service/web
                       ~ apps/v1/Deployment/web
          checks       adopts v1/ConfigMap/web: it exists
          review       0 of 1 approvals, due in 20m, expires in 30m; ticket u-1-1
        ");
    }

    #[test]
    fn a_card_of_a_rollback_says_what_comes_back_and_nothing_of_the_preview_before() {
        let raw = json!({
            "apiVersion": "slipway.dev/v1alpha1", "kind": "Deployment",
            "metadata": {"name": "web-v2", "namespace": "shop", "uid": "u-1"},
            "spec": {
                "service": "web", "environmentRef": {"name": "production"},
                "operation": {"deploy": {"releaseRef": {"name": "web-v2"}}}, "requester": "alice",
                "workReferences": ["12"], "rollbackPlan": "Re-apply web-v1",
                "rollbacks": [{"id": "by-hand-1", "actor": "carol", "note": "errors rise"}],
            },
            "status": {
                "phase": "Succeeded", "audit": {"seq": 9, "epoch": 1, "auditedSeq": 9},
                "preview": {
                    "ref": "1-a", "digest": "a", "at": "2026-01-01T00:00:00Z", "risk": "Low", "summary": "1 to add",
                    "changes": {"counts": {"added": 1, "changed": 0, "removed": 0, "unchanged": 0}},
                },
                "approval": {"approvals": [
                    {"reviewer": "bob", "previewRef": "1-a", "decision": "Approve", "at": "2026-01-01T00:00:00Z"},
                    {"reviewer": "eve", "previewRef": "rollback-by-hand-1-b", "decision": "Approve", "at": "2026-01-01T00:09:00Z"},
                ]},
                "rollback": {
                    "id": "by-hand-1", "origin": "Manual", "actor": "carol", "state": "Requested",
                    "ref": "rollback-by-hand-1-b", "requestedAt": "2026-01-01T00:08:00Z",
                    "toRelease": {
                        "name": "web-v1", "digest": "b", "deploymentUid": "u-0", "health": "healthy",
                        "since": "2026-01-01T00:00:00Z",
                    },
                },
            },
        });
        let object = serde_json::from_value(raw.clone()).unwrap();
        let now = "2026-01-01T00:10:00Z".parse().unwrap();
        insta::assert_snapshot!(card(&Seen { raw, object }, now, Paint::none()), @r"
        Deployment shop/web-v2  Succeeded
          change       deploy web-v2, service web
          environment  production
          requester    alice
          work         12
          way back     Re-apply web-v1
          rollback     rollback-by-hand-1-b
                       from release web-v2 back to web-v1
                       asked for by carol 2m ago: errors rise
          review       approve of rollback-by-hand-1-b by eve 1m ago
        ");
    }
}
