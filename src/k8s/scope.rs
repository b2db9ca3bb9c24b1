//! A release stays inside its namespace and does not touch what grants power: both are refused unless the Environment
//! lists the kind.
//!
//! What can be judged from the manifest is judged here. Whether a kind belongs to a namespace at all is learnt from the
//! cluster ([`crate::kinds`]) and judged by [`outside`].

use serde_json::Value;

use crate::target::Target;

/// Whole groups that are refused unless listed, and why.
const GROUPS: &[(&str, &str)] = &[
    ("rbac.authorization.k8s.io", "it grants rights"),
    ("admissionregistration.k8s.io", "it intercepts what others write"),
    ("apiextensions.k8s.io", "it changes the whole cluster"),
    ("apiregistration.k8s.io", "it changes the whole cluster"),
    ("certificates.k8s.io", "it hands out identities"),
    ("authentication.k8s.io", "it hands out identities"),
    ("authorization.k8s.io", "it is a question, not an object"),
    ("slipway.dev", "a release must not change who governs it"),
    ("coordination.k8s.io", "it belongs to the processes that hold it"),
    ("events.k8s.io", "it is written by controllers"),
    ("discovery.k8s.io", "it can send the traffic of a Service anywhere"),
    ("metrics.k8s.io", "it cannot be written"),
];

/// Kinds of the core group that are refused unless listed, and why.
const CORE: &[(&str, &str)] = &[
    ("Namespace", "it is outside the namespace"),
    ("Node", "it is outside the namespace"),
    ("PersistentVolume", "it is outside the namespace"),
    ("Event", "it is written by controllers"),
    ("Endpoints", "it can send the traffic of a Service anywhere"),
    ("Binding", "it belongs to the scheduler"),
];

/// Why `object` must not be part of a release to `target`: the field and the reason.
pub(crate) fn refusal(target: &Target, group: &str, kind: &str, object: &Value) -> Option<(&'static str, String)> {
    let namespace = &object["metadata"]["namespace"];
    if !namespace.is_null() && namespace.as_str() != Some(&target.namespace) {
        let reason = format!("must be left out or {:?}, the namespace of the Environment", target.namespace);
        return Some(("metadata.namespace", reason));
    }
    if group.is_empty() && kind == "Secret" && object["type"] == "kubernetes.io/service-account-token" {
        return Some(("type", "a release must not ask for the token of a service account".to_owned()));
    }
    if target.allows(group, kind) {
        return None;
    }
    let rows = if group.is_empty() { CORE } else { GROUPS };
    let name = if group.is_empty() { kind } else { group };
    let (_, why) = rows.iter().find(|(row, _)| *row == name)?;
    Some(("kind", unlisted(group, kind, why)))
}

/// Why a kind that the cluster says is cluster-scoped must not be part of a release to `target`.
pub(crate) fn outside(target: &Target, group: &str, kind: &str) -> Option<String> {
    (!target.allows(group, kind)).then(|| unlisted(group, kind, "it is outside the namespace"))
}

fn unlisted(group: &str, kind: &str, why: &str) -> String {
    let dot = if group.is_empty() { "" } else { "." };
    format!("{kind}{dot}{group} is refused because {why}; the Environment can list it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::GroupKind;
    use rstest::rstest;
    use serde_json::json;

    fn target(allow: &[(&str, &str)]) -> Target {
        let allow = allow.iter().map(|(g, k)| GroupKind { group: (*g).to_owned(), kind: (*k).to_owned() }).collect();
        Target::new("shop", "deployer", "shop/production", "payments", allow)
    }

    #[rstest]
    #[case("", "ConfigMap", json!({}), None)]
    #[case("", "ConfigMap", json!({"metadata": {"namespace": "shop"}}), None)]
    #[case("", "ConfigMap", json!({"metadata": {"namespace": "kube-system"}}), Some("metadata.namespace"))]
    #[case("", "ConfigMap", json!({"metadata": {"namespace": 1}}), Some("metadata.namespace"))]
    #[case("", "Namespace", json!({}), Some("kind"))]
    #[case("", "Event", json!({}), Some("kind"))]
    #[case("rbac.authorization.k8s.io", "RoleBinding", json!({}), Some("kind"))]
    #[case("slipway.dev", "Environment", json!({}), Some("kind"))]
    #[case("coordination.k8s.io", "Lease", json!({}), Some("kind"))]
    #[case("", "Secret", json!({"type": "Opaque"}), None)]
    #[case("", "Secret", json!({"type": "kubernetes.io/service-account-token"}), Some("type"))]
    fn what_is_outside_is_refused(
        #[case] group: &str,
        #[case] kind: &str,
        #[case] object: Value,
        #[case] field: Option<&str>,
    ) {
        assert_eq!(refusal(&target(&[]), group, kind, &object).map(|(field, _)| field), field);
    }

    #[test]
    fn a_listed_kind_is_let_through_but_not_into_another_namespace() {
        let target = target(&[("rbac.authorization.k8s.io", "Role"), ("", "Secret")]);
        assert_eq!(refusal(&target, "rbac.authorization.k8s.io", "Role", &json!({})), None);
        assert!(refusal(&target, "rbac.authorization.k8s.io", "RoleBinding", &json!({})).is_some());
        let elsewhere = json!({"metadata": {"namespace": "other"}});
        assert!(refusal(&target, "rbac.authorization.k8s.io", "Role", &elsewhere).is_some());
        let token = json!({"type": "kubernetes.io/service-account-token"});
        assert!(refusal(&target, "", "Secret", &token).is_some(), "a token is never let through");
    }
}
