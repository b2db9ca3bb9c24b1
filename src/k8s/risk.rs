//! How much could go wrong is judged from what would change, not from how much of it.
//!
//! High: something is removed, or what keeps data changes. Medium: a workload, a Secret, traffic or a custom resource
//! changes, or an object that Slipway did not make is taken over. Low: only additions, or configuration. None: nothing.

use slipway_domain::runtime::{Changes, ObjectRef, Risk};

/// Kinds that keep data, or that keep objects which keep data.
const DATA: &[(&str, &str)] = &[
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apps", "StatefulSet"),
    ("snapshot.storage.k8s.io", "VolumeSnapshot"),
];

/// Kinds that change nothing that runs, by themselves.
const CONFIGURATION: &[(&str, &str)] = &[
    ("", "ConfigMap"),
    ("", "LimitRange"),
    ("", "ResourceQuota"),
    ("", "ServiceAccount"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("policy", "PodDisruptionBudget"),
];

/// The risk of `changes`, some of which take over objects that nobody managed.
pub(crate) fn of(changes: &Changes, adopted: bool) -> Risk {
    if changes.is_empty() {
        return Risk::None;
    }
    let removed = if changes.removed.is_empty() { Risk::Low } else { Risk::High };
    let adopted = if adopted { Risk::Medium } else { Risk::Low };
    changes.changed.iter().map(changing).fold(removed.max(adopted), Risk::max)
}

/// The object keeps data.
pub(crate) fn keeps_data(object: &ObjectRef) -> bool {
    DATA.contains(&(object.group(), object.kind.as_str()))
}

fn changing(object: &ObjectRef) -> Risk {
    if keeps_data(object) {
        Risk::High
    } else if CONFIGURATION.contains(&(object.group(), object.kind.as_str())) {
        Risk::Low
    } else {
        Risk::Medium
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", "", "", false, Risk::None)]
    #[case("v1/PersistentVolumeClaim/a", "", "", false, Risk::Low)]
    #[case("", "v1/ConfigMap/a", "", false, Risk::Low)]
    #[case("", "v1/ConfigMap/a", "", true, Risk::Medium)]
    #[case("", "v1/Secret/a", "", false, Risk::Medium)]
    #[case("", "apps/v1/Deployment/a", "", false, Risk::Medium)]
    #[case("", "example.com/v1/Database/a", "", false, Risk::Medium)]
    #[case("", "apps/v1/StatefulSet/a", "", false, Risk::High)]
    #[case("", "v1/PersistentVolumeClaim/a", "", false, Risk::High)]
    #[case("v1/ConfigMap/b", "", "v1/ConfigMap/a", false, Risk::High)]
    fn risk_follows_what_changes(
        #[case] added: &str,
        #[case] changed: &str,
        #[case] removed: &str,
        #[case] adopted: bool,
        #[case] risk: Risk,
    ) {
        let list = |text: &str| Vec::from_iter((!text.is_empty()).then(|| text.parse().unwrap()));
        let changes =
            Changes { added: list(added), changed: list(changed), removed: list(removed), unchanged: Vec::new() };
        assert_eq!(of(&changes, adopted), risk);
    }
}
