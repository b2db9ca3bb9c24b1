use std::fmt::Write as _;

use super::*;
use crate::target::{ENVIRONMENT_LABEL, GroupKind, OWNER_ANNOTATION};
use rstest::rstest;

fn target() -> Target {
    Target::new("shop", "deployer", "shop/production", "payments", Vec::new())
}

fn key() -> SecretKey {
    SecretKey::new([7; 32])
}

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn rendered(objects: &[Value]) -> Rendered {
    render(objects, &variables(&[("TAG", "1.2")]), &target(), &key()).unwrap()
}

fn errors(objects: &[Value]) -> String {
    let errors = render(objects, &variables(&[("TAG", "1.2")]), &target(), &key()).unwrap_err();
    errors.iter().fold(String::new(), |mut text, error| {
        writeln!(text, "{error}").unwrap();
        text
    })
}

fn config(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}})
}

fn secret(value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": value}})
}

#[test]
fn an_object_says_whose_it_is_and_what_it_was() {
    let rendered = rendered(&[config("settings")]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&rendered.objects[0].object).unwrap(), @r#"
    {
      "apiVersion": "v1",
      "data": {
        "a": "1"
      },
      "kind": "ConfigMap",
      "metadata": {
        "annotations": {
          "slipway.dev/content": "a3993c4e4c8cfc6ffc812de66f8343026cfc7226373cca32ba9d878d6551a737",
          "slipway.dev/owner": "shop/production/payments"
        },
        "labels": {
          "app.kubernetes.io/managed-by": "slipway",
          "slipway.dev/environment": "production",
          "slipway.dev/service": "payments"
        },
        "name": "settings"
      }
    }
    "#);
}

#[test]
fn placeholders_are_replaced_wherever_text_is() {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "app-${TAG}"},
        "data": {"tag": "${TAG}", "list": "[${TAG}]", "text": "$${TAG}", "shell": "${TAG:-x} $HOME"},
    });
    let rendered = rendered(&[object]);
    assert_eq!(rendered.objects[0].reference.name, "app-1.2");
    let data = &rendered.objects[0].object["data"];
    assert_eq!(data, &json!({"tag": "1.2", "list": "[1.2]", "text": "${TAG}", "shell": "${TAG:-x} $HOME"}));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let objects = [
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "${ONE}-${TWO}"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}, "data": {"${TAG}.txt": "x"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "c-"}}),
        json!({"kind": "ConfigMap"}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d", "namespace": "kube-system"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "e", "labels": {"x": 1}}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "f", "ownerReferences": [{"uid": "1"}]}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "../secrets/g"}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "h"}, "data": {"a": "not base64!"}}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "i"}}),
        json!({"apiVersion": "v1/x/y", "kind": "Pod", "metadata": {"name": "j"}}),
        json!("text"),
    ];
    insta::assert_snapshot!(errors(&objects), @r#"
    v1/ConfigMap/a: data.a: variable ONE is not set; write $${ONE} for the text ${ONE}
    v1/ConfigMap/a: data.a: variable TWO is not set; write $${TWO} for the text ${TWO}
    v1/ConfigMap/b: data["${TAG}.txt"]: a placeholder in a field's name is not replaced; write $${…} for the text
    object 3 (ConfigMap): metadata.generateName: is refused: give the object a metadata.name
    object 3 (ConfigMap): metadata.name: is missing
    object 4 (ConfigMap): apiVersion: is missing
    object 4 (ConfigMap): metadata.name: is missing
    v1/ConfigMap/d: metadata.namespace: must be left out or "shop", the namespace of the Environment
    v1/ConfigMap/e: metadata.labels.x: must be a string; quote numbers and booleans
    v1/ConfigMap/f: metadata.ownerReferences: is refused: its owner would delete the object
    v1/ConfigMap/../secrets/g: metadata.name: "../secrets/g" is not a name that an object can have
    v1/Secret/h: data.a: must be base64
    rbac.authorization.k8s.io/v1/Role/i: kind: Role.rbac.authorization.k8s.io is refused because it grants rights; the Environment can list it
    v1/x/y/Pod/j: apiVersion: "v1/x/y" is not a version or group/version
    object 12: .: must be a Kubernetes object
    "#);
}

#[test]
fn a_field_deep_inside_is_named() {
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "annotations": {"a.b/c": "${X}"}},
        "spec": {"template": {"spec": {"containers": [{"image": "web"}, {"image": "side:${Y}"}]}}},
    });
    insta::assert_snapshot!(errors(&[object]), @r#"
    apps/v1/Deployment/web: metadata.annotations["a.b/c"]: variable X is not set; write $${X} for the text ${X}
    apps/v1/Deployment/web: spec.template.spec.containers[1].image: variable Y is not set; write $${Y} for the text ${Y}
    "#);
}

#[test]
fn the_same_object_twice_is_refused_in_whatever_version() {
    let scaler = |version: &str| {
        json!({
            "apiVersion": format!("autoscaling/{version}"),
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web"},
        })
    };
    assert_eq!(
        errors(&[scaler("v1"), scaler("v2")]),
        "autoscaling/v2/HorizontalPodAutoscaler/web: metadata.name: is in the release twice\n"
    );
}

#[test]
fn lists_are_unpacked_and_objects_sorted() {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}},
        {"apiVersion": "v1", "kind": "ConfigMapList", "items": [config("b"), config("a")]},
    ]});
    let rendered = rendered(&[list, secret("x")]);
    let names: Vec<String> = rendered.content.inventory.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["v1/ConfigMap/a", "v1/ConfigMap/b", "v1/Secret/db", "apps/v1/Deployment/web"]);
}

#[test]
fn what_only_the_server_sets_is_dropped() {
    let exported = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}, "status": {},
        "metadata": {
            "name": "settings", "namespace": "shop", "uid": "1", "resourceVersion": "7", "creationTimestamp": null,
            "managedFields": [], "generation": 3, "annotations": null, "labels": {ENVIRONMENT_LABEL: "staging"},
        },
    });
    assert_eq!(rendered(&[exported]).content, rendered(&[config("settings")]).content);
}

#[test]
fn a_digest_covers_secret_values_without_showing_them() {
    let one = rendered(&[secret("hunter22")]);
    let two = rendered(&[secret("hunter23")]);
    assert_ne!(one.content.digest, two.content.digest);
    assert_ne!(one.objects[0].digest, two.objects[0].digest);
    let other_key = render(&[secret("hunter22")], &BTreeMap::new(), &target(), &SecretKey::new([8; 32])).unwrap();
    assert_ne!(one.objects[0].digest, other_key.objects[0].digest, "without the key a digest says nothing");
    assert!(!format!("{one:?}").contains("aHVudGVyMjI="), "{one:?}");
}

#[test]
fn a_digest_does_not_depend_on_the_order_of_the_manifest() {
    let (a, b) = (config("a"), config("b"));
    assert_eq!(rendered(&[a.clone(), b.clone()]).content, rendered(&[b, a]).content);
}

#[test]
fn where_an_object_goes_is_part_of_the_digest() {
    let elsewhere = Target { namespace: "other".to_owned(), ..target() };
    let there = render(&[config("a")], &BTreeMap::new(), &elsewhere, &key()).unwrap();
    assert_ne!(rendered(&[config("a")]).content.digest, there.content.digest);
}

/// Whatever a variable says, the rendered object has the fields of the manifest and no others, and its ownership holds.
#[rstest]
fn a_variable_cannot_inject_structure(
    #[values(
        "\", \"hostNetwork\": true, \"x\": \"",
        "a\nhostNetwork: true",
        "}}]}",
        "${TAG}",
        "$${TAG}",
        "${V}",
        "{{ lookup }}",
        "\u{0}\u{7}\u{2028}",
        "- item\n- item",
        "!!binary aGk=",
        "&anchor *anchor",
        "999999999999999999999999",
        "true",
        "null"
    )]
    value: &str,
) {
    let object = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"l": "${V}"}},
        "spec": {"containers": [{"name": "c", "image": "${V}", "args": ["--x=${V}", "${V}${V}"]}]},
    });
    let out = render(&[object], &variables(&[("V", value), ("TAG", "9")]), &target(), &key()).unwrap();
    let object = &out.objects[0].object;
    assert_eq!(object["spec"]["containers"][0]["image"], value);
    assert_eq!(object["spec"]["containers"][0]["args"], json!([format!("--x={value}"), format!("{value}{value}")]));
    let fields: Vec<&String> = object["spec"].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["containers"]);
    assert_eq!(object["spec"]["containers"][0].as_object().unwrap().len(), 3);
    assert_eq!(object["metadata"]["annotations"][OWNER_ANNOTATION], "shop/production/payments");
}

#[rstest]
fn a_variable_cannot_leave_the_namespace(#[values("kube-system", "shop/../other", "")] value: &str) {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "${V}"},
    });
    assert!(render(&[object], &variables(&[("V", value)]), &target(), &key()).is_err());
}

#[rstest]
fn a_variable_cannot_make_a_refused_kind(#[values("Role", "ClusterRole", "RoleBinding")] value: &str) {
    let object = json!({
        "apiVersion": "${G}/v1", "kind": "${V}", "metadata": {"name": "a"},
    });
    let variables = variables(&[("V", value), ("G", "rbac.authorization.k8s.io")]);
    assert!(render(std::slice::from_ref(&object), &variables, &target(), &key()).is_err());
    let allow = vec![GroupKind { group: "rbac.authorization.k8s.io".to_owned(), kind: value.to_owned() }];
    assert!(render(&[object], &variables, &Target { allow, ..target() }, &key()).is_ok());
}

#[rstest]
#[case("a", true)]
#[case("system:x", true)]
#[case("a.b-c_d", true)]
#[case("", false)]
#[case(".", false)]
#[case("..", false)]
#[case("a/b", false)]
#[case("a%2fb", false)]
#[case("a?b", false)]
#[case("a#b", false)]
#[case("ä", false)]
fn a_name_is_one_segment_of_a_url(#[case] text: &str, #[case] fits: bool) {
    assert_eq!(name(text), fits);
}
