//! What a rollback would bring back, for whoever is about to ask for one.

use kube::api::Api;
use slipway_crd::{Deployment, Environment, parse};
use slipway_domain::code::Code;
use slipway_domain::environment::{self, RuntimeKind};
use slipway_domain::name::ServiceName;
use slipway_domain::phase::Phase;

use super::access::Access;
use super::seen::Seen;
use super::{hint, refusal, seen};
use crate::Failure;

/// What would be done, as a sentence; or why nothing can be. None where the API server or the controller has to say it:
/// the Environment may not be read, or the Deployment is in a phase that no rollback fits.
pub(super) async fn of(access: &Access, seen: &Seen) -> Result<Option<String>, Failure> {
    if !matches!(seen.phase(), Phase::Applying | Phase::Succeeded | Phase::Failed) {
        return Ok(None);
    }
    let api: Api<Environment> = access.api();
    let Ok(wire) = refusal::timed(api.get(&seen.object.spec.environment_ref.name)).await else { return Ok(None) };
    let Ok(environment) = parse::environment(&wire) else { return Ok(None) };
    told(&environment, seen).transpose().map_err(|why| {
        let code = Code::RollbackUnavailable;
        let name = seen.name();
        let next = hint::about(code, &seen.object);
        Failure::No(format!("{name} cannot be rolled back, and nothing was done [{code}]: {why}\nnext: {next}"))
    })
}

fn told(environment: &environment::Environment, seen: &Seen) -> Option<Result<String, String>> {
    if environment.runtime == RuntimeKind::Manual {
        return Some(
            Ok("people do the work here: that it was undone is recorded, and nothing else is done".to_owned()),
        );
    }
    let service: ServiceName = seen.object.spec.service.parse().ok()?;
    let uid = seen.object.metadata.uid.as_deref()?.parse().ok()?;
    let name = &environment.id.name;
    let current = environment.service(&service).and_then(|service| service.current.as_ref());
    let own = current.is_some_and(|current| current.deployment == uid);
    if let Some(to) = environment.rollback_target(&uid, &service) {
        let from = seen::release(&seen.object).unwrap_or("-");
        let how = if own { "" } else { ", which ran before this operation" };
        let agreed = match environment.policy.approval.count {
            0 => String::new(),
            1 => ", once someone else has approved that".to_owned(),
            count => format!(", once {count} others have approved that"),
        };
        return Some(Ok(format!("from release {from} back to {}{how}{agreed}", to.name)));
    }
    let at_work = environment.held_by(&uid) || environment.status.failed.as_ref() == Some(&uid);
    Some(Err(match current {
        _ if own || at_work => format!("no release of service {service} was in environment {name} before it"),
        Some(current) => format!(
            "it made neither what service {service} runs in environment {name}, which is release {} of another Deployment, \
             nor the operation that failed there",
            current.name
        ),
        None => {
            format!("nothing of service {service} runs in environment {name}, and no operation of it has failed there")
        }
    }))
}

/// What came to run in the Environment after the preview was made, so that applying may change something else by now.
/// None where nothing did, and where that cannot be seen.
pub(super) async fn since_preview(access: &Access, seen: &Seen) -> Option<String> {
    if seen::awaiting(&seen.object).is_some() {
        return None;
    }
    let at = seen.status()?.preview.as_ref()?.at;
    let api: Api<Environment> = access.api();
    let environment = refusal::timed(api.get(&seen.object.spec.environment_ref.name)).await.ok()?;
    later(&environment, &seen.object, at).map(|release| {
        format!(
            "since this preview release {} came to run here: what it would change now may be another: \
             `kubectl slipway preview {}`",
            super::table::plain(release),
            seen::who(&seen.object)
        )
    })
}

/// The release that another Deployment of the service brought later than `at`, and that runs.
fn later<'e>(environment: &'e Environment, object: &Deployment, at: jiff::Timestamp) -> Option<&'e str> {
    let services = &environment.status.as_ref()?.services;
    let current = services.iter().find(|one| one.service == object.spec.service)?.current_release.as_ref()?;
    let own = object.metadata.uid.as_deref() == Some(&*current.deployment_uid);
    (!own && current.since > at).then_some(&*current.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn running(name: &str, uid: &str) -> Value {
        json!({
            "name": name, "digest": "a".repeat(64), "deploymentUid": uid, "health": "healthy",
            "since": "2026-01-01T00:00:00Z",
        })
    }

    fn wire(services: &Value, failed: Option<&str>) -> Environment {
        let mut object = json!({
            "apiVersion": "slipway.dev/v1alpha1", "kind": "Environment",
            "metadata": {
                "name": "dev", "namespace": "shop", "uid": "e", "generation": 1,
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {
                "tier": "development", "project": "shop", "team": "shop",
                "runtime": {"k8s": {"namespace": "shop-dev", "serviceAccountName": "slipway"}},
            },
            "status": {
                "phase": "Active", "readiness": "ready", "operations": 2, "services": services,
                "audit": {"seq": 1, "epoch": 1, "auditedSeq": 1},
            },
        });
        if let Some(uid) = failed {
            object["status"]["failed"] = json!({"deploymentUid": uid});
        }
        serde_json::from_value(object).unwrap()
    }

    fn seen(uid: &str) -> Seen {
        let raw = json!({
            "apiVersion": "slipway.dev/v1alpha1", "kind": "Deployment",
            "metadata": {"name": "web-v2", "namespace": "shop", "uid": uid},
            "spec": {
                "service": "web", "environmentRef": {"name": "dev"}, "workReferences": ["1"], "rollbackPlan": "none",
                "operation": {"deploy": {"releaseRef": {"name": "web-v2"}}},
            },
        });
        let object = serde_json::from_value(raw.clone()).unwrap();
        Seen { raw, object }
    }

    fn said(uid: &str, services: &Value, failed: Option<&str>) -> Result<String, String> {
        told(&parse::environment(&wire(services, failed)).unwrap(), &seen(uid)).unwrap()
    }

    #[test]
    fn where_a_rollback_leads_is_told_and_which_it_is_where_it_leads_nowhere() {
        let both = json!([{"service": "web", "currentRelease": running("web-v2", "d2"), "previousRelease": running("web-v1", "d1")}]);
        assert_eq!(said("d2", &both, None).unwrap(), "from release web-v2 back to web-v1");
        let gone = said("d1", &both, None).unwrap_err();
        assert!(gone.contains("neither what service web runs") && gone.contains("release web-v2 of another"), "{gone}");
        let first = json!([{"service": "web", "currentRelease": running("web-v2", "d2")}]);
        assert!(said("d2", &first, None).unwrap_err().starts_with("no release of service web was in environment dev"));
        let failed = said("d3", &first, Some("d3")).unwrap();
        assert_eq!(failed, "from release web-v2 back to web-v2, which ran before this operation");
        assert!(said("d3", &json!([]), Some("d3")).unwrap_err().starts_with("no release of service web was"));
        assert!(said("d3", &json!([]), None).unwrap_err().starts_with("nothing of service web runs"));
    }

    #[test]
    fn what_came_after_the_preview_is_seen() {
        let now = wire(&json!([{"service": "web", "currentRelease": running("web-v3", "d3")}]), None);
        let at = |time: &str, uid: &str| later(&now, &seen(uid).object, time.parse().unwrap());
        assert_eq!(at("2025-12-31T23:59:59Z", "d2"), Some("web-v3"));
        assert_eq!(at("2026-01-01T00:00:00Z", "d2"), None);
        assert_eq!(at("2025-12-31T23:59:59Z", "d3"), None, "it is what was previewed");
    }
}
