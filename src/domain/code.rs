//! Every refusal and every failure has one stable code. Codes are only ever added.
//!
//! A code says what kind of thing is wrong; the sentence beside it says what, where, and what to do next.

use crate::event::{UnknownWord, words};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

words! {
    /// What is wrong, as scripts and dashboards know it.
    Code {
        /// Gate 1: there is no preview yet.
        PreviewRequired = "preview_required",
        /// Gate 1: what would be applied has changed since the preview.
        PreviewExpired = "preview_expired",
        /// Gate 1: what was confirmed is not what would be applied.
        PreviewMismatch = "preview_mismatch",
        /// Gate 2: too few approvals.
        ApprovalRequired = "approval_required",
        /// Gate 2: the ticket ran out.
        ApprovalTicketExpired = "approval_ticket_expired",
        /// Gate 3: the Environment is not Active or not ready.
        EnvironmentNotActive = "environment_not_active",
        /// Gate 3: another Deployment has the Environment.
        EnvironmentBusy = "environment_busy",
        /// Gate 3: a freeze window is open.
        EnvironmentFrozen = "environment_frozen",
        /// Gate 4: no drift check exists.
        DriftRequired = "drift_required",
        /// Gate 4: the target has drifted.
        DriftDetected = "drift_detected",
        /// Gate 4: the drift check is too old.
        DriftStale = "drift_stale",
        /// Gate 4: no backup exists.
        BackupRequired = "backup_required",
        /// Gate 4: the backup is too old.
        BackupStale = "backup_stale",
        /// A service account must name the person it acts for.
        RequesterRequired = "requester_required",
        /// The object belongs to another service or Environment.
        ObjectOwned = "object_owned",
        /// A field is missing or wrong.
        ValidationFailed = "validation_failed",
        /// What is named does not exist.
        NotFound = "not_found",
        /// Someone else changed it first.
        Conflict = "conflict",
        /// The phase does not allow the action.
        InvalidTransition = "invalid_transition",
        /// Requester or submitter judged their own request.
        SelfApproval = "self_approval",
        /// The action needs a note.
        NoteRequired = "note_required",
        /// The caller lacks the verb.
        Forbidden = "forbidden",
        /// The caller is not known.
        Unauthorized = "unauthorized",
        /// A Release cannot be changed.
        ReleaseImmutable = "release_immutable",
        /// The release before this one could not be brought back.
        ReleaseRollbackFailed = "release_rollback_failed",
        /// There is nothing to go back to, or this Deployment is not the one to roll back.
        RollbackUnavailable = "rollback_unavailable",
        /// What was applied is not healthy.
        HealthCheckFailed = "health_check_failed",
        /// A file or image of the release is not there.
        ArtifactMissing = "artifact_missing",
        /// A file of the release is not the one that was named.
        ArtifactChecksumMismatch = "artifact_checksum_mismatch",
        /// The host cannot be reached.
        SshUnreachable = "ssh_unreachable",
        /// The host has another key than the one pinned.
        SshHostKeyMismatch = "ssh_host_key_mismatch",
        /// The cluster's access data cannot be used.
        KubeconfigInvalid = "kubeconfig_invalid",
        /// The target refused the credentials.
        CredentialsRejected = "credentials_rejected",
        /// It took longer than it may.
        OperationTimeout = "operation_timeout",
        /// Nobody can tell whether it happened.
        OutcomeUnknown = "outcome_unknown",
        /// Someone stopped it.
        Aborted = "aborted",
        /// Object and archive tell different histories.
        AuditDiverged = "audit_diverged",
        /// The runtime cannot do this.
        RuntimeUnsupported = "runtime_unsupported",
        /// The API server or the host refused what was to be applied.
        ApplyRejected = "apply_rejected",
        /// The API server of the target cannot be reached, or cannot answer now.
        ClusterUnreachable = "cluster_unreachable",
        /// ansible: a play could not run.
        AnsiblePlayError = "ansible_play_error",
        /// ansible: a task failed on a host.
        AnsibleHostFailed = "ansible_host_failed",
        /// ansible: a host was not reachable.
        AnsibleHostUnreachable = "ansible_host_unreachable",
        /// ansible: a playbook cannot be read.
        AnsibleSyntaxError = "ansible_syntax_error",
        /// ansible: it broke in a way of its own.
        AnsibleUnexpectedError = "ansible_unexpected_error",
        /// ansible: it ended with an exit code that is not known.
        AnsibleUnknownExit = "ansible_unknown_exit",
        /// ansible: it took longer than it may.
        AnsibleTimeout = "ansible_timeout",
        /// The API server does not check who decides.
        PoliciesNotInForce = "policies_not_in_force",
    }
}

impl Code {
    /// The HTTP status of an answer that carries this code.
    pub fn http_status(self) -> u16 {
        match self {
            Self::ValidationFailed | Self::NoteRequired | Self::RequesterRequired | Self::RuntimeUnsupported => 422,
            Self::Unauthorized => 401,
            Self::SelfApproval | Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::PreviewRequired
            | Self::PreviewExpired
            | Self::PreviewMismatch
            | Self::ApprovalRequired
            | Self::ApprovalTicketExpired
            | Self::EnvironmentNotActive
            | Self::EnvironmentBusy
            | Self::EnvironmentFrozen
            | Self::DriftRequired
            | Self::DriftDetected
            | Self::DriftStale
            | Self::BackupRequired
            | Self::BackupStale
            | Self::ObjectOwned
            | Self::Conflict
            | Self::InvalidTransition
            | Self::ReleaseImmutable
            | Self::RollbackUnavailable
            | Self::Aborted
            | Self::AuditDiverged => 409,
            Self::ReleaseRollbackFailed
            | Self::HealthCheckFailed
            | Self::ArtifactMissing
            | Self::ArtifactChecksumMismatch
            | Self::ApplyRejected
            | Self::OutcomeUnknown
            | Self::AnsiblePlayError
            | Self::AnsibleHostFailed
            | Self::AnsibleSyntaxError
            | Self::AnsibleUnexpectedError
            | Self::AnsibleUnknownExit => 500,
            Self::SshUnreachable
            | Self::SshHostKeyMismatch
            | Self::KubeconfigInvalid
            | Self::CredentialsRejected
            | Self::AnsibleHostUnreachable => 502,
            Self::ClusterUnreachable | Self::PoliciesNotInForce => 503,
            Self::OperationTimeout | Self::AnsibleTimeout => 504,
        }
    }

    /// Whether doing the same again, unchanged, may go better.
    pub fn retryable(self) -> bool {
        match self {
            Self::EnvironmentBusy
            | Self::EnvironmentFrozen
            | Self::Conflict
            | Self::SshUnreachable
            | Self::ClusterUnreachable
            | Self::AnsibleHostUnreachable
            | Self::AnsibleUnexpectedError
            | Self::AnsibleTimeout
            | Self::PoliciesNotInForce => true,
            Self::PreviewRequired
            | Self::PreviewExpired
            | Self::PreviewMismatch
            | Self::ApprovalRequired
            | Self::ApprovalTicketExpired
            | Self::EnvironmentNotActive
            | Self::DriftRequired
            | Self::DriftDetected
            | Self::DriftStale
            | Self::BackupRequired
            | Self::BackupStale
            | Self::RequesterRequired
            | Self::ObjectOwned
            | Self::ValidationFailed
            | Self::NotFound
            | Self::InvalidTransition
            | Self::SelfApproval
            | Self::NoteRequired
            | Self::Forbidden
            | Self::Unauthorized
            | Self::ReleaseImmutable
            | Self::ReleaseRollbackFailed
            | Self::RollbackUnavailable
            | Self::HealthCheckFailed
            | Self::ArtifactMissing
            | Self::ArtifactChecksumMismatch
            | Self::SshHostKeyMismatch
            | Self::KubeconfigInvalid
            | Self::CredentialsRejected
            | Self::OperationTimeout
            | Self::OutcomeUnknown
            | Self::Aborted
            | Self::AuditDiverged
            | Self::RuntimeUnsupported
            | Self::ApplyRejected
            | Self::AnsiblePlayError
            | Self::AnsibleHostFailed
            | Self::AnsibleSyntaxError
            | Self::AnsibleUnknownExit => false,
        }
    }

    /// What it means, in one sentence for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::PreviewRequired => "There is no preview yet.",
            Self::PreviewExpired => "What would be applied has changed since the preview.",
            Self::PreviewMismatch => "What was looked at is not the preview that stands.",
            Self::ApprovalRequired => "Too few people have approved.",
            Self::ApprovalTicketExpired => "The ticket for review ran out before the work began.",
            Self::EnvironmentNotActive => "The environment is not active or not ready.",
            Self::EnvironmentBusy => "Another deployment has the environment, or is ahead in its queue.",
            Self::EnvironmentFrozen => "The environment is frozen for the time being.",
            Self::DriftRequired => "The target has not been compared with its preset.",
            Self::DriftDetected => "The target differs from its preset.",
            Self::DriftStale => "The comparison of the target with its preset is too old.",
            Self::BackupRequired => "There is no full backup of the target.",
            Self::BackupStale => "The newest full backup of the target is too old.",
            Self::RequesterRequired => "A service account must name the person it acts for.",
            Self::ObjectOwned => "An object belongs to another service or environment.",
            Self::ValidationFailed => "A field is missing or wrong.",
            Self::NotFound => "What is named does not exist.",
            Self::Conflict => "Someone else changed or decided it first.",
            Self::InvalidTransition => "The deployment is in a phase that does not allow this.",
            Self::SelfApproval => "Nobody may review their own request.",
            Self::NoteRequired => "This needs a note that says why.",
            Self::Forbidden => "The caller may not do this here.",
            Self::Unauthorized => "The caller is not known.",
            Self::ReleaseImmutable => "A release cannot be changed once it exists.",
            Self::ReleaseRollbackFailed => "The release before this one could not be brought back.",
            Self::RollbackUnavailable => "There is nothing that this deployment could be rolled back to.",
            Self::HealthCheckFailed => "What was applied is not healthy.",
            Self::ArtifactMissing => "Something that the release needs is not there.",
            Self::ArtifactChecksumMismatch => "A file of the release is not the one that was named.",
            Self::SshUnreachable => "The host cannot be reached.",
            Self::SshHostKeyMismatch => "The host has another key than the one pinned.",
            Self::KubeconfigInvalid => "The access data of the cluster cannot be used.",
            Self::CredentialsRejected => "The target refused the credentials.",
            Self::OperationTimeout => "It took longer than it may.",
            Self::ClusterUnreachable => "The API server of the target cannot be reached, or cannot answer now.",
            Self::OutcomeUnknown => "Nobody can tell whether it happened: look before the next try.",
            Self::Aborted => "Someone stopped it.",
            Self::AuditDiverged => "The object and the archive tell different histories.",
            Self::RuntimeUnsupported => "The runtime of this environment cannot do this.",
            Self::ApplyRejected => "The target refused what was to be applied.",
            Self::AnsiblePlayError => "A play could not run.",
            Self::AnsibleHostFailed => "A task failed on a host.",
            Self::AnsibleHostUnreachable => "A host could not be reached.",
            Self::AnsibleSyntaxError => "A playbook cannot be read.",
            Self::AnsibleUnexpectedError => "ansible broke in a way of its own.",
            Self::AnsibleUnknownExit => "ansible ended with an exit code that is not known.",
            Self::AnsibleTimeout => "ansible took longer than it may.",
            Self::PoliciesNotInForce => "The policies that check who decides are missing or altered.",
        }
    }
}

/// The codes as `contracts/error-codes.json` lists them, in the order in which they are documented.
pub fn contract() -> String {
    let codes: Vec<_> = Code::ALL.iter().map(|code| Listed::of(*code)).collect();
    // Texts, numbers and booleans cannot fail to serialise.
    let mut text = serde_json::to_string_pretty(&Contract { codes }).unwrap_or_default();
    text.push('\n');
    text
}

#[derive(Serialize)]
struct Contract {
    codes: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    code: Code,
    http_status: u16,
    retryable: bool,
    sentence: &'static str,
}

impl Listed {
    fn of(code: Code) -> Self {
        Self { code, http_status: code.http_status(), retryable: code.retryable(), sentence: code.sentence() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_sentence_of_its_own() {
        let sentences: std::collections::BTreeSet<_> = Code::ALL.iter().map(|code| code.sentence()).collect();
        assert_eq!(sentences.len(), Code::ALL.len());
        for code in Code::ALL {
            let sentence = code.sentence();
            assert!(sentence.ends_with('.') && sentence.len() <= 80, "{code}: {sentence}");
        }
    }

    #[test]
    fn every_code_answers_with_a_status_of_an_error() {
        for code in Code::ALL {
            assert!(matches!(code.http_status(), 401 | 403 | 404 | 409 | 422 | 500 | 502 | 503 | 504), "{code}");
        }
    }

    #[test]
    fn what_took_too_long_takes_as_long_when_nothing_has_changed() {
        assert!(!Code::OperationTimeout.retryable(), "no runtime tries again by itself after its timeout");
    }

    #[test]
    fn the_contract_lists_every_code_once() {
        let contract: serde_json::Value = serde_json::from_str(&contract()).unwrap();
        let listed: Vec<_> = contract["codes"].as_array().unwrap().iter().map(|c| c["code"].clone()).collect();
        let known: Vec<_> = Code::ALL.iter().map(|code| serde_json::Value::from(code.as_str())).collect();
        assert_eq!(listed, known);
    }
}
