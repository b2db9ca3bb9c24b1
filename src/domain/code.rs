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
            | Self::OperationTimeout
            | Self::AnsibleHostUnreachable
            | Self::AnsibleUnexpectedError
            | Self::AnsibleTimeout => true,
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
}
