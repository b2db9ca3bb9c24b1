//! What the chart renders, and what it refuses to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::helm::{chart, helm, rendered, template};
use super::values::{all, defaults, paths, with};

/// By kind and name.
fn named(objects: Vec<Value>) -> BTreeMap<(String, String), Value> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    objects.into_iter().map(|object| ((text(&object["kind"]), text(&object["metadata"]["name"])), object)).collect()
}

fn one(objects: &[Value], kind: &str) -> Value {
    objects.iter().find(|object| object["kind"] == kind).unwrap_or_else(|| panic!("no {kind}")).clone()
}

#[test]
fn the_chart_is_one_that_helm_has_nothing_to_say_against() {
    let chart = chart();
    let said = helm(["lint", "--strict", chart.to_str().unwrap()]).done();
    assert!(said.contains("0 chart(s) failed"), "{said}");
}

#[test]
fn what_comes_from_code_is_rendered_as_manifests_prints_it() {
    let printed = slipway_crd::install::everything().unwrap();
    for namespace in ["slipway-system", "platform"] {
        let printed = printed.replace("slipway-system", namespace);
        let mut expected = named(serde_yaml::from_multiple(&printed).unwrap());
        // That is for whoever installs to make, and to label.
        expected.remove(&("Namespace".to_owned(), namespace.to_owned())).unwrap();
        let mut there = named(rendered(namespace, &json!({})));
        for definition in there.values_mut().filter(|object| object["kind"] == "CustomResourceDefinition") {
            let metadata = definition["metadata"].as_object_mut().unwrap();
            assert_eq!(metadata.remove("annotations"), Some(json!({"helm.sh/resource-policy": "keep"})));
        }
        let mut own = Vec::new();
        for (name, object) in there {
            match expected.remove(&name) {
                Some(printed) => assert_eq!(object, printed, "{name:?}"),
                None => own.push(name.0),
            }
        }
        assert_eq!(expected.into_keys().collect::<Vec<_>>(), []);
        assert_eq!(own, ["NetworkPolicy", "PodDisruptionBudget", "Service", "StatefulSet"]);
    }
}

#[test]
fn each_value_changes_what_is_rendered() {
    let (all, defaults) = (all(), defaults());
    let (none_set, all_set) = (rendered("slipway-system", &json!({})), rendered("slipway-system", &all));
    for path in paths() {
        let set = with(&json!({}), &path, &all);
        // Some matter only where another is set.
        let changes = rendered("slipway-system", &set) != none_set
            || rendered("slipway-system", &with(&all, &path, &defaults)) != all_set;
        assert!(changes, "{path} changes nothing");
    }
}

#[test]
fn every_value_is_set_in_these_tests_and_known_to_the_schema() {
    let schema = std::fs::read_to_string(chart().join("values.schema.json")).unwrap();
    same_keys("", &defaults(), &all(), &serde_json::from_str(&schema).unwrap());
    for path in paths() {
        assert_ne!(all().pointer(&path), defaults().pointer(&path), "{path}");
    }
}

/// The same keys everywhere, and none besides.
fn same_keys(path: &str, default: &Value, set: &Value, schema: &Value) {
    let keys = |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
    if schema["properties"].is_null() {
        return;
    }
    assert_eq!(schema["additionalProperties"], false, "{path}");
    let mut known = keys(&schema["properties"]);
    // Helm's own.
    known.remove("global");
    assert_eq!((&keys(default), &keys(set)), (&known, &known), "{path}");
    for key in known {
        same_keys(&format!("{path}/{key}"), &default[&key], &set[&key], &schema["properties"][&key]);
    }
}

#[test]
fn what_is_no_value_is_refused_by_name() {
    for (values, words) in [
        (json!({"imagee": {}}), "imagee"),
        (json!({"image": {"tagg": "1"}}), "tagg"),
        (json!({"image": {"repository": "Registry/Slipway"}}), "repository"),
        (json!({"image": {"tag": "a b"}}), "tag"),
        (json!({"image": {"digest": "sha256:abc"}}), "digest"),
        (json!({"image": {"pullPolicy": "Sometimes"}}), "pullPolicy"),
        (json!({"image": {"pullSecrets": ["registry"]}}), "pullSecrets"),
        (json!({"controller": {"leaseSeconds": 1}}), "leaseSeconds"),
        (json!({"controller": {"leaseSeconds": "15"}}), "leaseSeconds"),
        (json!({"controller": {"watchNamespace": "Shop"}}), "watchNamespace"),
        (json!({"controller": {"logJson": "yes"}}), "logJson"),
        (json!({"controller": {"listenAddress": "everywhere"}}), "listenAddress"),
        (json!({"controller": {"terminationGracePeriodSeconds": 5}}), "terminationGracePeriodSeconds"),
        (json!({"controller": {"replicas": 2}}), "replicas"),
        (json!({"checkpointKey": {"value": "00"}}), "value"),
        (json!({"checkpointKey": {"key": "../key"}}), "key"),
        (json!({"trustedCertificates": {"existingConfigMap": "A"}}), "existingConfigMap"),
        (json!({"persistence": {"size": "much"}}), "size"),
        (json!({"persistence": {"accessMode": "ReadWriteMany"}}), "accessMode"),
        (json!({"persistence": {"enabled": false}}), "enabled"),
        (json!({"resources": {"claims": []}}), "claims"),
        (json!({"metrics": {"serviceMonitor": {"interval": "often"}}}), "interval"),
        (json!({"podDisruptionBudget": {"maxUnavailable": 2}}), "maxUnavailable"),
        (json!({"networkPolicy": {"metricsFrom": [{}]}}), "metricsFrom"),
        (json!({"podLabels": {"a": 1}}), "podLabels"),
        (json!({"nodeSelector": ["linux"]}), "nodeSelector"),
        (json!({"priorityClassName": 7}), "priorityClassName"),
    ] {
        let said = template("slipway-system", &values).refused();
        assert!(said.contains("schema") && said.contains(words), "{values}: {said}");
    }
}

#[test]
fn the_image_is_the_one_of_this_version_unless_another_is_asked_for() {
    let image = |values: Value| {
        let workload = one(&rendered("slipway-system", &values), "StatefulSet");
        workload["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
    };
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(image(json!({})), format!("slipway:{version}"));
    assert_eq!(image(json!({"image": {"repository": "a/b", "tag": "c"}})), "a/b:c");
    let digest = format!("sha256:{}", "0".repeat(64));
    assert_eq!(image(json!({"image": {"repository": "a/b", "tag": "c", "digest": digest}})), format!("a/b@{digest}"));

    let about: Value = serde_yaml::from_str(&std::fs::read_to_string(chart().join("Chart.yaml")).unwrap()).unwrap();
    assert_eq!((&about["version"], &about["appVersion"]), (&json!(version), &json!(version)));
}

#[test]
fn the_arguments_are_ones_that_the_controller_takes() {
    let slipway = std::env::current_exe().unwrap();
    let slipway = slipway.ancestors().find(|folder| folder.ends_with("debug") || folder.ends_with("release")).unwrap();
    let help = std::process::Command::new(slipway.join("slipway")).args(["controller", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for values in [json!({}), all()] {
        let workload = one(&rendered("slipway-system", &values), "StatefulSet");
        let arguments = workload["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap().clone();
        assert_eq!(arguments[0], "controller");
        for argument in &arguments[1..] {
            let flag = argument.as_str().unwrap().split('=').next().unwrap();
            assert!(help.contains(&format!("{flag} ")) || help.contains(&format!("{flag}\n")), "{flag}: {help}");
        }
    }
}

#[test]
fn a_label_of_ones_own_never_takes_the_place_of_one_that_is_selected_by() {
    let workload = one(&rendered("slipway-system", &all()), "StatefulSet");
    let labels = &workload["spec"]["template"]["metadata"]["labels"];
    assert_eq!((&labels["team"], &labels["app.kubernetes.io/name"]), (&json!("platform"), &json!("slipway")));
}
