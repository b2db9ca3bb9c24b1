//! What people do in a story, and what they wait for before they do the next thing.

use serde_json::{Value, json};

use super::error::SweepError;
use super::objects;
use super::site::Site;

/// The Environment of every story.
pub const ENVIRONMENT: &str = "development";
pub(super) const SERVICE: &str = "web";

/// What the Environment of a story asks for.
#[derive(Debug, Clone, Copy)]
pub enum Rules {
    /// Nothing.
    Open,
    /// That a person confirms.
    Confirmed,
    /// That a person confirms, and another approves.
    Reviewed,
    /// The same, and nothing starts.
    ReviewedAndFrozen,
    /// That nothing starts.
    Frozen,
    /// That another approves what people do themselves.
    ByHand,
}

impl Rules {
    fn environment(self, namespace: &str) -> (String, Value) {
        let window = json!({"start": "2020-01-01T00:00:00Z", "end": "2099-01-01T00:00:00Z", "reason": "holidays"});
        let policy = match self {
            Self::Open | Self::ByHand => json!({}),
            Self::Confirmed => json!({"confirm": "Manual"}),
            Self::Reviewed => json!({"confirm": "Manual", "approval": {"required": true}}),
            Self::ReviewedAndFrozen => {
                json!({"confirm": "Manual", "approval": {"required": true}, "freezeWindows": [window]})
            }
            Self::Frozen => json!({"freezeWindows": [window]}),
        };
        let (kind, mut object) = objects::environment(ENVIRONMENT, namespace, &policy);
        if matches!(self, Self::ByHand) {
            object["spec"]["runtime"] = json!({"manual": {}});
        }
        (kind, object)
    }
}

/// One step of a story.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Creates the Environment.
    Environment(Rules),
    /// Waits until the Environment takes Deployments.
    Ready,
    /// Creates a release with an image.
    Release(&'static str, &'static str),
    /// Creates a release of nothing but settings: no pod is waited for.
    Settings(&'static str),
    /// Waits until a release is known by its digest: whoever writes that must not be left to chance.
    Known(&'static str),
    /// Asks for a Deployment of the release of the same name.
    Deploy(&'static str),
    /// Asks for a Deployment that people carry out.
    Record(&'static str),
    /// Confirms the preview of a Deployment.
    Confirm(&'static str),
    /// Approves it, as somebody else.
    Approve(&'static str),
    /// Rejects it, as somebody else.
    Reject(&'static str),
    /// Goes ahead without review.
    BreakGlass(&'static str),
    /// Looks at it afterwards, as somebody else.
    LookAfter(&'static str),
    /// Waits until that counts.
    Seen(&'static str),
    /// Goes ahead in spite of a freeze.
    OverrideFreeze(&'static str),
    /// Reports that work by hand has begun.
    Start(&'static str),
    /// Reports that it has ended well.
    Succeed(&'static str),
    /// Waits until a Deployment is in a phase.
    Phase(&'static str, &'static str),
    /// Waits until the workload of the service is there, with this image.
    Workload(&'static str),
    /// Aborts a Deployment.
    Abort(&'static str),
    /// Asks for a rollback of a Deployment.
    Rollback(&'static str),
    /// Waits until that waits for its review.
    Asked(&'static str),
    /// Approves that rollback, as somebody else.
    ApproveRollback(&'static str),
    /// Frees the Environment after the failure of a Deployment.
    Reset(&'static str),
    /// Deletes a Deployment.
    Delete(&'static str),
    /// Waits until a Deployment is gone.
    Gone(&'static str),
    /// Waits until everything has ended, the Environment is given back in this phase, and the archive knows it all.
    Settled(&'static str),
}

impl Step {
    /// What a person does in this step. Nothing for one that waits.
    pub(super) async fn act(self, site: &Site, namespace: &str) -> Result<(), SweepError> {
        let said = || json!({"actor": site.actor, "note": "the sweep wants it"});
        let say = async |name: &str, spec: Value| site.add("Deployment", namespace, name, spec).await;
        match self {
            Self::Environment(rules) => site.apply(namespace, rules.environment(namespace)).await,
            Self::Release(name, image) => site.apply(namespace, objects::release(name, SERVICE, image)).await,
            Self::Settings(name) => site.apply(namespace, objects::settings(name, SERVICE)).await,
            Self::Deploy(name) => site.apply(namespace, objects::deployment(name, SERVICE, ENVIRONMENT, name)).await,
            Self::Record(name) => {
                let (kind, mut object) = objects::deployment(name, SERVICE, ENVIRONMENT, name);
                object["spec"]["operation"] = json!({"deploy": {"version": name}});
                site.apply(namespace, (kind, object)).await
            }
            Self::Confirm(name) => {
                let reference = reference(site, namespace, name, "/status/preview/ref").await?;
                let confirmation = json!({"actor": site.actor, "previewRef": reference});
                say(name, json!({"confirmations": [confirmation]})).await
            }
            Self::Approve(name) => review(site, namespace, name, ("Approve", "/status/preview/ref")).await,
            Self::Reject(name) => review(site, namespace, name, ("Reject", "/status/preview/ref")).await,
            Self::ApproveRollback(name) => review(site, namespace, name, ("Approve", "/status/rollback/ref")).await,
            Self::BreakGlass(name) => say(name, json!({"breakGlass": said()})).await,
            Self::LookAfter(name) => {
                let looked = json!({"actor": site.reviewer, "note": "the sweep looked"});
                site.add_as_reviewer(namespace, name, json!({"afterReview": looked})).await
            }
            Self::OverrideFreeze(name) => say(name, json!({"overrideFreeze": said()})).await,
            Self::Start(name) => say(name, json!({"manual": {"start": said()}})).await,
            Self::Succeed(name) => {
                let finish = json!({"result": "Succeeded", "actor": site.actor});
                say(name, json!({"manual": {"finish": finish}})).await
            }
            Self::Abort(name) => say(name, json!({"abort": said()})).await,
            Self::Rollback(name) => {
                let mut request = said();
                request["id"] = json!("by-hand");
                say(name, json!({"rollbacks": [request]})).await
            }
            Self::Reset(of) => {
                let failed = reference(site, namespace, of, "/metadata/uid").await?;
                let mut reset = said();
                reset["of"] = failed;
                site.add("Environment", namespace, ENVIRONMENT, json!({"reset": reset})).await
            }
            Self::Delete(name) => site.delete("Deployment", namespace, name).await,
            Self::Ready
            | Self::Known(_)
            | Self::Phase(..)
            | Self::Workload(_)
            | Self::Asked(_)
            | Self::Seen(_)
            | Self::Gone(_)
            | Self::Settled(_) => Ok(()),
        }
    }
}

/// What a Deployment says at `pointer`, which a story names only once it is there.
async fn reference(site: &Site, namespace: &str, name: &str, pointer: &str) -> Result<Value, SweepError> {
    let object = site.get("Deployment", namespace, name).await?.unwrap_or_default();
    let found = object.pointer(pointer).filter(|found| found.is_string()).cloned();
    found.ok_or_else(|| SweepError::Wrong(format!("{name} has no {pointer}: {}", object["status"])))
}

/// Judges, as somebody else, what stands at `pointer`; what was said before stays.
async fn review(site: &Site, namespace: &str, name: &str, (decision, pointer): (&str, &str)) -> Result<(), SweepError> {
    let object = site.get("Deployment", namespace, name).await?.unwrap_or_default();
    let mut reviews = object.pointer("/spec/reviews").and_then(Value::as_array).cloned().unwrap_or_default();
    reviews.push(json!({
        "reviewer": site.reviewer, "decision": decision, "note": "the sweep looked at it",
        "previewRef": reference(site, namespace, name, pointer).await?,
    }));
    site.add_as_reviewer(namespace, name, json!({"reviews": reviews})).await
}
