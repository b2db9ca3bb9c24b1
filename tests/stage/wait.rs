//! Bounded waits for a value, by watch. Nothing here sleeps and hopes.

use std::time::Duration;

use kube::api::Api;
use kube::runtime::wait::await_condition;
use slipway_crd::{Deployment, Environment};
use slipway_domain::phase::Phase;

use super::{Custom, Stage};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Asks until there is an answer, for what no watch tells of; `what` says what it waits for, for a test that fails.
pub async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    let Some(answer) = answered(ask).await else { panic!("waited in vain until {what}") };
    answer
}

/// The first answer there is; none if there is none in time.
pub async fn answered<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let mut pause = tokio::time::interval(Duration::from_millis(25));
    let first = async {
        loop {
            pause.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    tokio::time::timeout(PATIENCE, first).await.ok()
}

impl Stage {
    /// Waits until an object is as it should be; `what` says how that is, for a test that fails.
    pub async fn until<K: Custom>(&self, name: &str, what: &str, met: impl Fn(&K) -> bool) -> K {
        let api: Api<K> = Api::namespaced(self.admin.clone(), &self.namespace);
        let waiting = await_condition(api, name, |object: Option<&K>| object.is_some_and(&met));
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(Ok(Some(object))) => object,
            other => {
                let now = self.find::<K>(name).await;
                let now = shown(now.as_ref());
                let why = other.map(|result| format!("{:?}", result.err()));
                panic!("{} {name}: {what}: {why:?}; it is\n{now}\n{}", K::kind(&()), self.last_words());
            }
        }
    }

    /// Waits until a Deployment is in this phase.
    pub async fn phase(&self, name: &str, phase: Phase) -> Deployment {
        self.until(name, phase.as_str(), |deployment: &Deployment| in_phase(deployment, phase)).await
    }

    /// Waits until a Deployment waits for this reason.
    pub async fn waits(&self, name: &str, reason: &str) -> Deployment {
        self.until(name, reason, |deployment: &Deployment| {
            let conditions = deployment.status.iter().flat_map(|status| &status.conditions);
            conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.reason == reason)
        })
        .await
    }

    /// Waits until an Environment is as it should be.
    pub async fn environment(
        &self,
        name: &str,
        what: &str,
        met: impl Fn(&slipway_crd::EnvironmentStatus) -> bool,
    ) -> Environment {
        self.until(name, what, |environment: &Environment| environment.status.as_ref().is_some_and(&met)).await
    }

    /// Waits until an object is gone.
    pub async fn gone<K: Custom>(&self, name: &str) {
        let api: Api<K> = Api::namespaced(self.admin.clone(), &self.namespace);
        let waiting = await_condition(api, name, |object: Option<&K>| object.is_none());
        let in_time = tokio::time::timeout(PATIENCE, waiting).await;
        if !matches!(in_time, Ok(Ok(_))) {
            let now = shown(self.find::<K>(name).await.as_ref());
            panic!("{} {name} is still there:\n{now}\n{}", K::kind(&()), self.last_words());
        }
    }
}

/// An object without what only the API server reads.
fn shown<K: Custom>(object: Option<&K>) -> String {
    let mut object = serde_json::to_value(object).unwrap();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    serde_json::to_string_pretty(&object).unwrap()
}

/// Whether a Deployment is in this phase.
pub(super) fn in_phase(deployment: &Deployment, phase: Phase) -> bool {
    deployment.status.as_ref().is_some_and(|status| status.phase == phase)
}
