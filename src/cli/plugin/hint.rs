//! What to do about a code: the step that a person takes next. What is wrong, and where, the sentence beside it says.

use slipway_crd::Deployment;
use slipway_domain::code::Code;

use super::seen;

/// What to do. NAME is the Deployment, ENVIRONMENT its Environment.
pub(super) fn next(code: Code) -> &'static str {
    match code {
        Code::PreviewRequired => "wait for it: `kubectl slipway watch NAME`",
        Code::PreviewExpired | Code::PreviewMismatch => {
            "look at the preview that stands with `kubectl slipway preview NAME`, and decide about that one"
        }
        Code::ApprovalRequired => "ask a reviewer: `kubectl slipway approve NAME`",
        Code::ApprovalTicketExpired => {
            "ask anew: `kubectl slipway confirm NAME` opens another review, `kubectl slipway rollback NAME -m WHY` another \
             rollback"
        }
        Code::EnvironmentNotActive => {
            "`kubectl slipway status NAME` says why; after a failure roll back what failed, or free the Environment with \
             `kubectl slipway reset ENVIRONMENT -m WHY`"
        }
        Code::EnvironmentBusy => "wait for its turn: `kubectl slipway watch NAME`",
        Code::EnvironmentFrozen => "wait until it is over, or `kubectl slipway override-freeze NAME -m WHY`",
        Code::DriftRequired | Code::DriftStale => "have the target compared with its preset, and repeat",
        Code::DriftDetected => "look at what differs in the target, and mend it",
        Code::BackupRequired | Code::BackupStale => "have a full backup of the target made, and repeat",
        Code::RequesterRequired => {
            "name the person with `kubectl slipway new … --requester USER`, or create it as a person"
        }
        Code::ObjectOwned => "rename the object in another Release, or let its owner go first",
        Code::ValidationFailed => "mend what is named, and repeat",
        Code::NotFound => "look with `kubectl get slipd,slipe,slipr`, and mind the namespace (-n)",
        Code::Conflict => "see where it stands: `kubectl slipway status NAME`",
        Code::InvalidTransition => {
            "`kubectl slipway status NAME` shows where it is, `kubectl slipway --help` what fits there"
        }
        Code::SelfApproval => {
            "ask someone else who may: `kubectl slipway inbox --mine` shows each person what waits for them"
        }
        Code::NoteRequired => "repeat with -m WHY",
        Code::Forbidden => {
            "`kubectl slipway doctor` shows what you may do; ask who looks after the environment for the verb"
        }
        Code::Unauthorized => "log in again, or name other credentials with --kubeconfig, --context or --as",
        Code::ReleaseImmutable => "create another Release, and a Deployment of it",
        Code::ReleaseRollbackFailed => {
            "mend the target, free the Environment with `kubectl slipway reset ENVIRONMENT -m WHY`, and create another \
             Deployment"
        }
        Code::RollbackUnavailable => {
            "any Release is reached by another Deployment: `kubectl slipway new … --back-to RELEASE`"
        }
        Code::HealthCheckFailed | Code::OperationTimeout => {
            "`kubectl slipway status NAME` shows objects and pods with their health"
        }
        Code::ArtifactMissing => "create the Release again with the same name and content",
        Code::ArtifactChecksumMismatch => "see where the file comes from, and create another Release",
        Code::SshUnreachable | Code::ClusterUnreachable => {
            "it is tried again by itself; see whether the target answers from where the controller runs"
        }
        Code::SshHostKeyMismatch => "find out why the host has another key before it is written into the Environment",
        Code::KubeconfigInvalid | Code::CredentialsRejected => {
            "mend the access that the Environment names: the account, its rights, its Secret"
        }
        Code::OutcomeUnknown => {
            "look at what runs there, then free the Environment with `kubectl slipway reset ENVIRONMENT -m WHY`"
        }
        Code::Aborted => "to do it after all, create another Deployment",
        Code::AuditDiverged => "whoever runs Slipway settles it with `slipway audit adopt`",
        Code::RuntimeUnsupported => "use what this version can do: inline manifests, and the runtime k8s or manual",
        Code::ApplyRejected => "mend what the target refused in another Release: a quota, a policy, a wrong field",
        Code::AnsiblePlayError | Code::AnsibleHostFailed | Code::AnsibleSyntaxError => {
            "mend the playbook or the host that is named, and create another Deployment"
        }
        Code::AnsibleHostUnreachable => "see whether the host answers from where the controller runs",
        Code::AnsibleUnexpectedError | Code::AnsibleUnknownExit | Code::AnsibleTimeout => {
            "look at the host, then create another Deployment"
        }
        Code::PoliciesNotInForce => {
            "whoever runs Slipway puts them back with `slipway manifests | kubectl apply --server-side -f -`; then say it \
             again"
        }
    }
}

/// The same about `object`, by its name.
pub(super) fn about(code: Code, object: &Deployment) -> String {
    named(next(code), object)
}

/// The same for a code as a status has it. A newer Slipway may have codes that are not known here.
pub(super) fn of(code: &str, object: &Deployment) -> Option<String> {
    code.parse().ok().map(|code| about(code, object))
}

/// A step with the names that it leaves open, as commands take them: no name holds a capital letter.
pub(super) fn named(next: &str, object: &Deployment) -> String {
    let place = object.metadata.namespace.as_ref().map(|namespace| format!("-n {namespace} ")).unwrap_or_default();
    let environment = format!("{place}{}", object.spec.environment_ref.name);
    let mut named = next.replace("ENVIRONMENT", &environment).replace("NAME", &seen::who(object));
    // What names no object takes the namespace all the same.
    for (program, command) in
        [("kubectl slipway", "doctor"), ("kubectl slipway", "inbox"), ("kubectl slipway", "new"), ("kubectl", "get")]
    {
        named = named.replace(&format!("{program} {command}"), &format!("{program} {place}{command}"));
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object() -> Deployment {
        serde_json::from_value(json!({
            "apiVersion": "slipway.dev/v1alpha1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {
                "service": "web", "environmentRef": {"name": "prod"}, "workReferences": ["1"], "rollbackPlan": "none",
                "operation": {"deploy": {"releaseRef": {"name": "web"}}},
            },
        }))
        .unwrap()
    }

    #[test]
    fn every_code_has_a_step_that_is_one_line() {
        for code in Code::ALL {
            let next = next(*code);
            assert!((10..220).contains(&next.len()) && !next.contains('\n') && !next.ends_with('.'), "{code}: {next}");
            let named = of(code.as_str(), &object()).unwrap();
            assert!(!named.contains("NAME") && !named.contains("ENVIRONMENT"), "{code}: {named}");
        }
        assert_eq!(of("of_a_newer_version", &object()), None);
        assert_eq!(about(Code::EnvironmentBusy, &object()), "wait for its turn: `kubectl slipway watch -n shop web`");
        let reset = about(Code::ReleaseRollbackFailed, &object());
        assert!(reset.contains("`kubectl slipway reset -n shop prod -m WHY`"), "{reset}");
        let other = about(Code::SelfApproval, &object());
        assert!(other.contains("`kubectl slipway -n shop inbox --mine`"), "{other}");
    }
}
