//! What others need is applied first and pruned last.

/// Ranks, first applied first. A kind that is not listed is a custom resource and has the rank of the empty row: after
/// what it may refer to, before the workloads that may wait for what its operator makes of it (a Secret, a database).
const RANKS: &[&[(&str, &str)]] = &[
    &[("", "Namespace"), ("scheduling.k8s.io", "PriorityClass")],
    &[("apiextensions.k8s.io", "CustomResourceDefinition")],
    &[("", "ResourceQuota"), ("", "LimitRange"), ("networking.k8s.io", "NetworkPolicy")],
    &[("", "ServiceAccount")],
    &[("rbac.authorization.k8s.io", "ClusterRole"), ("rbac.authorization.k8s.io", "Role")],
    &[("rbac.authorization.k8s.io", "ClusterRoleBinding"), ("rbac.authorization.k8s.io", "RoleBinding")],
    &[("", "Secret"), ("", "ConfigMap")],
    &[("storage.k8s.io", "StorageClass"), ("", "PersistentVolume")],
    &[("", "PersistentVolumeClaim")],
    &[("", "Service"), ("", "Endpoints"), ("discovery.k8s.io", "EndpointSlice")],
    &[],
    &[("policy", "PodDisruptionBudget")],
    &[
        ("apps", "DaemonSet"),
        ("apps", "Deployment"),
        ("apps", "ReplicaSet"),
        ("apps", "StatefulSet"),
        ("batch", "CronJob"),
        ("batch", "Job"),
        ("", "Pod"),
        ("", "ReplicationController"),
    ],
    &[("networking.k8s.io", "IngressClass"), ("networking.k8s.io", "Ingress")],
    &[("autoscaling", "HorizontalPodAutoscaler")],
    &[("apiregistration.k8s.io", "APIService")],
    &[
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ],
];

/// Where a kind stands in the order of applying.
pub(crate) fn rank(group: &str, kind: &str) -> usize {
    RANKS
        .iter()
        .position(|row| row.contains(&(group, kind)))
        .or_else(|| RANKS.iter().position(|row| row.is_empty()))
        .unwrap_or(RANKS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_need_comes_first() {
        let order = [
            ("", "Namespace"),
            ("apiextensions.k8s.io", "CustomResourceDefinition"),
            ("", "ServiceAccount"),
            ("", "Secret"),
            ("", "PersistentVolumeClaim"),
            ("", "Service"),
            ("example.com", "Database"),
            ("apps", "Deployment"),
            ("networking.k8s.io", "Ingress"),
            ("autoscaling", "HorizontalPodAutoscaler"),
            ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ];
        let ranks: Vec<_> = order.iter().map(|(group, kind)| rank(group, kind)).collect();
        assert!(ranks.is_sorted_by(|a, b| a < b), "{ranks:?}");
    }

    #[test]
    fn a_kind_of_another_group_is_another_kind() {
        assert_eq!(rank("example.com", "Deployment"), rank("example.com", "Database"));
        assert_ne!(rank("example.com", "Deployment"), rank("apps", "Deployment"));
    }
}
