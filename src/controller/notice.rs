//! Kubernetes Events on the objects, for people who ask `kubectl describe`. The history is the archive's, not theirs.
//!
//! They are published beside the work and may be lost; nothing waits for them.

use kube::Client;
use kube::Resource;
use kube::runtime::events::{Event as KubeEvent, EventType, Recorder, Reporter};
use slipway_domain::event::{Action, Event};
use tokio::sync::mpsc;

/// How many wait to be published before further ones are dropped: those of more than a thousand deployments at once.
const BACKLOG: usize = 8192;
/// The longest note that the API takes.
const NOTE_MAX: usize = 1000;

/// Where Events on objects go.
#[derive(Debug, Clone)]
pub struct Notices(mpsc::Sender<(k8s_openapi::api::core::v1::ObjectReference, KubeEventText)>);

#[derive(Debug)]
struct KubeEventText {
    warning: bool,
    reason: &'static str,
    note: String,
}

impl Notices {
    /// Starts publishing through `client`.
    pub fn start(client: Client) -> Self {
        let (sender, mut receiver) = mpsc::channel::<(_, KubeEventText)>(BACKLOG);
        let reporter = Reporter { controller: "slipway".to_owned(), instance: None };
        tokio::spawn(async move {
            while let Some((reference, text)) = receiver.recv().await {
                let event = KubeEvent {
                    type_: if text.warning { EventType::Warning } else { EventType::Normal },
                    reason: text.reason.to_owned(),
                    note: Some(text.note),
                    action: text.reason.to_owned(),
                    secondary: None,
                };
                // A recorder keeps what it has published for minutes, to count repetitions. What happened never repeats.
                let recorder = Recorder::new(client.clone(), reporter.clone());
                if let Err(error) = recorder.publish(&event, &reference).await {
                    tracing::debug!(%error, "an Event could not be published");
                }
            }
        });
        Self(sender)
    }

    /// Announces what happened to an object.
    pub fn announce<K: Resource<DynamicType = ()>>(&self, object: &K, events: &[Event], diagnosis: Option<&str>) {
        for event in events {
            let text = describe(event, diagnosis);
            // A full backlog means that nobody could read them all anyway.
            let _ = self.0.try_send((object.object_ref(&()), text));
        }
    }
}

/// What is said aloud in the log too: somebody went past a rule that holds everyone else.
pub fn loud(action: Action) -> bool {
    matches!(action, Action::ReleaseBreakGlass | Action::ReleaseFreezeOverridden)
}

fn describe(event: &Event, diagnosis: Option<&str>) -> KubeEventText {
    let warning = matches!(
        event.action,
        Action::ReleaseFailed
            | Action::ReleaseRollbackFailed
            | Action::ReleaseRollbackRefused
            | Action::ReleaseRejected
            | Action::EnvironmentOutcomeUnknown
    ) || loud(event.action);
    let said = event.detail.get("message").or_else(|| event.detail.get("note")).map(String::as_str);
    let mut note = format!("{} by {}", event.action, event.actor_id);
    if let Some(said) = said.or(diagnosis.filter(|_| warning)) {
        note = format!("{note}: {said}");
    }
    let end = note.char_indices().map(|(at, _)| at).take_while(|at| *at <= NOTE_MAX).last().unwrap_or(0);
    if note.len() > NOTE_MAX {
        note.truncate(end);
    }
    KubeEventText { warning, reason: reason(event.action), note }
}

fn reason(action: Action) -> &'static str {
    match action {
        Action::ReleaseCreated => "Created",
        Action::ReleasePreviewed => "Previewed",
        Action::ReleaseConfirmed => "Confirmed",
        Action::ReleasePendingApproval => "PendingApproval",
        Action::ReleaseApproved => "Approved",
        Action::ReleaseRejected => "Rejected",
        Action::ReleaseApplying => "Applying",
        Action::ReleaseApplied => "Applied",
        Action::ReleaseFailed => "Failed",
        Action::ReleaseRollbackRequested => "RollbackRequested",
        Action::ReleaseRollbackRefused => "RollbackRefused",
        Action::ReleaseRollbackCompleted => "RolledBack",
        Action::ReleaseRollbackFailed => "RollbackFailed",
        Action::ReleaseAborted => "Aborted",
        Action::ReleaseDeleted | Action::EnvironmentDeleted => "Deleted",
        Action::ReleaseReviewVoid => "ReviewVoid",
        Action::ReleaseAdopted | Action::EnvironmentAdopted | Action::ArchiveAdopted => "Adopted",
        Action::ReleaseBreakGlass => "BreakGlass",
        Action::ReleaseBreakGlassReviewed => "BreakGlassReviewed",
        Action::ReleaseFreezeOverridden => "FreezeOverridden",
        Action::EnvironmentCreated => "EnvironmentCreated",
        Action::EnvironmentPolicyChanged => "PolicyChanged",
        Action::EnvironmentReset => "Reset",
        Action::EnvironmentResetVoid => "ResetVoid",
        Action::EnvironmentOutcomeUnknown => "OutcomeUnknown",
    }
}
