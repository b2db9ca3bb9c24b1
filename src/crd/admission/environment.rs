//! Who may weaken, free or remove an Environment: `domain::admission::environment::admit`, in the API server's words.

use serde_json::Value;
use slipway_domain::admission::environment::{NOTHING_TO_RESET, RESET_STAYS, RESET_UNANSWERED};
use slipway_domain::admission::{NAMESPACE_CONTROLLER, Verb};
use slipway_domain::environment::RuntimeKind;
use slipway_domain::policy::{Confirm, OnFailure, Policy, Tier};
use slipway_domain::refusal::Refusal;
use slipway_domain::safeguard::Weakening;

use super::caller::{self, CALLER, may};
use super::path::{at, present};
use super::policy::Refusing;
use super::sentence::{fact, forbidden, invalid, literal, not_the_caller, stand_in, validation};
use crate::parse::{CHECK_RETRIES, CHECK_STATUS, CHECK_TIMEOUT};

/// The policies about Environments.
pub(super) fn policies() -> Vec<Refusing> {
    vec![created(), changed(), deleted()]
}

/// What an Environment asks for, as expressions: what it says itself, or its tier's default.
struct InForce {
    approvals: String,
    expires_after: String,
    confirm: String,
    on_failure: String,
    freeze_windows: String,
}

impl InForce {
    fn of(of: &str) -> Self {
        let default = Self::by_tier(of);
        let count = said(of, "policy.approval.count", "1");
        let required =
            said(of, "policy.approval.required", &by_tier(of, |policy| policy.approval.required.to_string()));
        Self {
            // Whoever asks for review and for no approvals is given one.
            approvals: format!("(({required}) ? (({count}) > 1 ? ({count}) : 1) : 0)"),
            expires_after: said(of, "policy.approval.expiresAfter", &default.expires_after),
            confirm: said(of, "policy.confirm", &default.confirm),
            on_failure: said(of, "policy.onFailure", &default.on_failure),
            freeze_windows: said(of, "policy.freezeWindows", "[]"),
        }
    }

    fn by_tier(of: &str) -> Self {
        let period = |policy: &Policy| {
            policy.approval.expires_after.map_or(String::new(), |time| format!("{}s", time.as_secs()))
        };
        Self {
            approvals: by_tier(of, |policy| policy.approval.count.to_string()),
            expires_after: by_tier(of, |policy| literal(&period(policy))),
            confirm: by_tier(of, |policy| literal(confirm(policy.confirm))),
            on_failure: by_tier(of, |policy| literal(on_failure(policy.on_failure))),
            freeze_windows: "[]".to_owned(),
        }
    }

    /// Each under a name of its own.
    fn name(self, policy: &mut Refusing, prefix: &str) {
        let all = [
            ("Approvals", self.approvals),
            ("ExpiresAfter", self.expires_after),
            ("Confirm", self.confirm),
            ("OnFailure", self.on_failure),
            ("FreezeWindows", self.freeze_windows),
        ];
        for (name, expression) in all {
            policy.variable(&format!("{prefix}{name}"), expression);
        }
    }
}

fn confirm(word: Confirm) -> &'static str {
    match word {
        Confirm::Auto => "Auto",
        Confirm::Manual => "Manual",
    }
}

fn on_failure(word: OnFailure) -> &'static str {
    match word {
        OnFailure::Rollback => "Rollback",
        OnFailure::Hold => "Hold",
    }
}

/// What is at `path` of the spec, or `default`.
fn said(of: &str, path: &str, default: &str) -> String {
    let spec = format!("{of}.spec");
    format!("({} ? {spec}.{path} : {default})", present(of, path))
}

/// What the tier and the runtime of `of` ask for, from the domain's own table.
fn by_tier(of: &str, what: impl Fn(&Policy) -> String) -> String {
    let choose = |runtime| {
        let last = Tier::ALL.last().map_or(String::new(), |tier| what(&Policy::default_for(*tier, runtime)));
        let others = Tier::ALL.iter().rev().skip(1);
        others.fold(last, |rest, tier| {
            let value = what(&Policy::default_for(*tier, runtime));
            if value == rest {
                rest
            } else {
                format!("({of}.spec.tier == {} ? {value} : {rest})", literal(tier.as_str()))
            }
        })
    };
    let (manual, other) = (choose(RuntimeKind::Manual), choose(RuntimeKind::Kubernetes));
    if manual == other { other } else { format!("(has({of}.spec.runtime.manual) ? {manual} : {other})") }
}

/// One that is new asks for no less than its tier.
fn created() -> Refusing {
    let mut policy = Refusing::new("slipway-environment-created", &["environments"], &["CREATE"]);
    names(&mut policy);
    InForce::of("object").name(&mut policy, "new");
    InForce::by_tier("object").name(&mut policy, "old");
    policy.variable("weaker", listed(&weaker_policy()));
    govern(&mut policy, "would ask for less than its tier (WEAKER)");
    policy.refuse(invalid("spec.reset", NOTHING_TO_RESET, "!has(object.spec.reset)"));
    policy
}

fn changed() -> Refusing {
    let mut policy = Refusing::new("slipway-environment-changed", &["environments"], &["UPDATE"]);
    policy.condition("something-changes", "object.spec != oldObject.spec");
    names(&mut policy);
    InForce::of("object").name(&mut policy, "new");
    InForce::of("oldObject").name(&mut policy, "old");
    let reset = "has(object.spec.reset) && !(has(oldObject.spec.reset) && oldObject.spec.reset == object.spec.reset)";
    policy.variable("reset", reset);
    let failed = format!("has(oldObject.status) && {}", at("oldObject.status", "failed"));
    policy.variable("failed", format!("{failed} ? oldObject.status.failed.deploymentUid : ''"));
    let place = [
        (Weakening::Runtime, elsewhere()),
        (Weakening::AllowedKinds, more_kinds()),
        (Weakening::HealthChecks, fewer_checks()),
    ];
    let weaker: Vec<_> = weaker_policy().into_iter().chain(place).collect();
    policy.variable("weaker", listed(&weaker));
    govern(&mut policy, "would ask for less than before (WEAKER)");
    for validation in freed() {
        policy.refuse(validation);
    }
    policy
}

/// A reset names what failed, and takes the place of an earlier one that has been answered, or was about something else.
fn freed() -> Vec<Value> {
    let own = "!variables.reset || object.spec.reset.actor == variables.caller";
    let may_reset = format!("!variables.reset || ({})", may(Verb::Reset));
    let environment = || "ENVIRONMENT".to_owned();
    let where_it_is = || fact("ENVIRONMENT", "variables.environment");
    let nothing = Refusal::NothingFailed { environment: environment() };
    let (failed, named) = ("FAILED".to_owned(), "NAMED".to_owned());
    let other = Refusal::NotWhatFailed { environment: environment(), failed, named };
    let facts = [where_it_is(), fact("FAILED", "variables.failed"), fact("NAMED", "object.spec.reset.of")];
    // What the status says of an earlier reset, it says of this one only once it has been written since.
    let answered = "has(oldObject.status) && has(oldObject.status.resetAnswered) && oldObject.status.resetAnswered \
                    && has(oldObject.status.observedGeneration) \
                    && oldObject.status.observedGeneration == oldObject.metadata.generation";
    let free = format!(
        "!variables.reset || !has(oldObject.spec.reset) || oldObject.spec.reset.of != object.spec.reset.of || ({answered})"
    );
    let stays = |hint| Refusal::Immutable { field: "spec.reset".to_owned(), hint };
    vec![
        validation("!has(oldObject.spec.reset) || has(object.spec.reset)", &stays(RESET_STAYS), &[]),
        not_the_caller("spec.reset.actor", own, "object.spec.reset.actor"),
        forbidden(Verb::Reset, &may_reset),
        validation("!variables.reset || variables.failed != ''", &nothing, &[where_it_is()]),
        validation("!variables.reset || object.spec.reset.of == variables.failed", &other, &facts),
        validation(&free, &stays(RESET_UNANSWERED), &[]),
    ]
}

/// What is deleted and created again may ask for anything.
fn deleted() -> Refusing {
    let mut policy = Refusing::new("slipway-environment-deleted", &["environments"], &["DELETE"]);
    policy.variable("caller", CALLER);
    policy.variable("environment", "oldObject.metadata.name");
    let holds = format!(
        "has(oldObject.metadata.deletionTimestamp) || {} || ({})",
        caller::is(NAMESPACE_CONTROLLER),
        may(Verb::Govern)
    );
    ungoverned(&mut policy, &holds, "would be gone, with what it asks for");
    policy
}

fn names(policy: &mut Refusing) {
    policy.variable("caller", CALLER);
    policy.variable("environment", "object.metadata.name");
}

fn govern(policy: &mut Refusing, what: &str) {
    ungoverned(policy, &format!("variables.weaker.size() == 0 || ({})", may(Verb::Govern)), what);
}

fn ungoverned(policy: &mut Refusing, holds: &str, what: &str) {
    let environment = "ENVIRONMENT".to_owned();
    let refusal = Refusal::Ungoverned { actor: stand_in("CALLER"), environment, what: what.to_owned() };
    let facts = [
        fact("CALLER", "variables.caller"),
        fact("ENVIRONMENT", "variables.environment"),
        fact("WEAKER", "variables.weaker.join(', ')"),
    ];
    policy.refuse(validation(holds, &refusal, &facts));
}

/// The words of the weakenings whose expressions are true.
fn listed(weakenings: &[(Weakening, String)]) -> String {
    let word = |(weakening, holds): &(Weakening, String)| format!("(({holds}) ? ['{}'] : [])", weakening.as_str());
    weakenings.iter().map(word).collect::<Vec<_>>().join(" + ")
}

fn weaker_policy() -> Vec<(Weakening, String)> {
    let v = "variables";
    let longer = format!(
        "{v}.oldExpiresAfter != '' && ({v}.newExpiresAfter == '' \
         || duration({v}.newExpiresAfter) > duration({v}.oldExpiresAfter))"
    );
    let thawed = format!(
        "!{v}.oldFreezeWindows.all(then, {v}.newFreezeWindows.exists(now, timestamp(now.start) <= timestamp(then.start) \
         && timestamp(now.end) >= timestamp(then.end)))"
    );
    vec![
        (Weakening::Approvals, format!("{v}.newApprovals < {v}.oldApprovals")),
        (Weakening::Expiry, longer),
        (Weakening::Confirmation, format!("{v}.oldConfirm == 'Manual' && {v}.newConfirm == 'Auto'")),
        (Weakening::OnFailure, format!("{v}.oldOnFailure == 'Rollback' && {v}.newOnFailure == 'Hold'")),
        (Weakening::Freeze, thawed),
    ]
}

/// Another runtime, or another place or account: all of `runtime` but the kinds that are allowed.
fn elsewhere() -> String {
    let (new, old) = ("object.spec.runtime", "oldObject.spec.runtime");
    let same = |a: &str, b: &str| {
        format!("{a}.k8s.all(field, field == 'allowedKinds' || (field in {b}.k8s && {b}.k8s[field] == {a}.k8s[field]))")
    };
    format!("has({new}.k8s) && has({old}.k8s) ? !({} && {}) : {new} != {old}", same(new, old), same(old, new))
}

fn more_kinds() -> String {
    let kinds = |of: &str| format!("has({of}.spec.runtime.k8s) && has({of}.spec.runtime.k8s.allowedKinds)");
    format!(
        "{} && !object.spec.runtime.k8s.allowedKinds.all(now, {} \
         && oldObject.spec.runtime.k8s.allowedKinds.exists(then, then.group == now.group && then.kind == now.kind))",
        kinds("object"),
        kinds("oldObject"),
    )
}

/// A check that is gone, or is more patient.
fn fewer_checks() -> String {
    let status = |of: &str| format!("(has({of}.http.expectStatus) ? {of}.http.expectStatus : {CHECK_STATUS})");
    let http = format!(
        "(has(then.http) && has(now.http) && then.http.url == now.http.url && {} == {})",
        status("then"),
        status("now")
    );
    let exec = "(has(then.exec) && has(now.exec) && then.exec == now.exec)";
    let time = |of: &str| format!("duration(has({of}.timeout) ? {of}.timeout : '{}s')", CHECK_TIMEOUT.as_secs());
    let retries = |of: &str| format!("(has({of}.retries) ? {of}.retries : {CHECK_RETRIES})");
    format!(
        "has(oldObject.spec.healthChecks) && !oldObject.spec.healthChecks.all(then, has(object.spec.healthChecks) \
         && object.spec.healthChecks.exists(now, ({http} || {exec}) && {} <= {} && {} <= {}))",
        time("now"),
        time("then"),
        retries("now"),
        retries("then"),
    )
}
