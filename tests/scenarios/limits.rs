//! What a release may not do, and what nobody may see.

use serde_json::{Value, json};
use slipway_crd::{Deployment, Environment};
use slipway_domain::environment::Readiness;
use slipway_domain::phase::Phase;
use slipway_tests::stage::objects::{With as _, config, deployment, environment, release, workload};
use slipway_tests::stage::{ACCOUNT, ALICE, Stage};

#[tokio::test]
async fn what_may_not_be_released_is_refused_with_a_code_and_a_name() {
    let stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    let of =
        |api_version: &str, kind: &str| json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "it"}});
    let cases: [(&str, Value, &str, &[&str]); 7] = [
        (
            "cluster-role",
            of("rbac.authorization.k8s.io/v1", "ClusterRole"),
            "validation_failed",
            &["ClusterRole", "it"],
        ),
        ("namespace", of("v1", "Namespace"), "validation_failed", &["Namespace", "it"]),
        ("slipway", of("slipway.dev/v1alpha1", "Environment"), "validation_failed", &["slipway.dev", "it"]),
        (
            "elsewhere",
            config("it", &json!({})).with("metadata.namespace", "kube-system"),
            "validation_failed",
            &["ConfigMap/it", "metadata.namespace"],
        ),
        ("placeholder", config("it", &json!({"a": "${NOT_THERE}"})), "validation_failed", &["NOT_THERE", "it"]),
        ("unknown-kind", of("example.com/v1", "Teapot"), "not_found", &["Teapot/it"]),
        ("misfit", workload("it", "1").with("spec.replicaz", 2), "apply_rejected", &["replicaz", "it"]),
    ];
    for (name, manifest, _, _) in &cases {
        stage.apply(ALICE, &release(name, "web", std::slice::from_ref(manifest))).await;
        stage.apply(ALICE, &deployment(name, "web", "dev", name)).await;
    }
    let mut wrong = Vec::new();
    for (name, _, code, words) in &cases {
        let refused =
            stage
                .until(name, "is refused or has ended", |deployment: &Deployment| {
                    deployment.status.as_ref().is_some_and(|status| {
                        status.diagnostics.as_ref().is_some_and(|said| {
                            said.code != "environment_not_active" && said.code != "environment_busy"
                        }) || status.phase == Phase::Succeeded
                    })
                })
                .await;
        let status = refused.status.unwrap();
        let said = status.diagnostics.map(|said| format!("{}: {}", said.code, said.message)).unwrap_or_default();
        let whole = said.starts_with(code) && words.iter().all(|word| said.contains(word));
        // With automatic confirmation only the apply itself asks the server about an object that is new.
        let phase = if *name == "misfit" { Phase::Failed } else { Phase::Pending };
        if !whole || status.phase != phase {
            wrong.push(format!("{name}: {} {said}", status.phase));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_kind_that_the_environment_lists_may_be_released() {
    let stage = Stage::open().await;
    let account = format!("system:serviceaccount:{}:{ACCOUNT}", stage.namespace);
    stage.put(stage.may("admin", "admin", &account)).await;
    let allowed = json!([{"group": "rbac.authorization.k8s.io", "kind": "Role"}]);
    stage.apply(ALICE, &environment("dev", &stage.namespace).with("spec.runtime.k8s.allowedKinds", allowed)).await;
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]});
    stage.apply(ALICE, &release("web-v1", "web", &[role])).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await;
    stage.phase("web-v1", Phase::Succeeded).await;
}

#[tokio::test]
async fn an_account_without_rights_fails_at_the_preview_and_says_what_it_lacks() {
    let stage = Stage::open().await;
    stage.put(stage.service_account("weak")).await;
    let user = format!("system:serviceaccount:{}:weak", stage.namespace);
    stage.put(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "weak", "namespace": stage.namespace},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch", "create", "patch"]}],
    })).await;
    stage.put(stage.may("weak", "weak", &user).with("roleRef.kind", "Role")).await;
    stage.apply(ALICE, &environment("dev", &stage.namespace).with("spec.runtime.k8s.serviceAccountName", "weak")).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({})), workload("web", "1")])).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await;
    let refused = stage
        .until("web-v1", "is refused", |deployment: &Deployment| {
            let said = deployment.status.as_ref().and_then(|status| status.diagnostics.as_ref());
            said.is_some_and(|said| said.code == "credentials_rejected")
        })
        .await;
    let status = refused.status.unwrap();
    let said = status.diagnostics.unwrap().message;
    assert_eq!(status.phase, Phase::Pending);
    for words in [user.as_str(), "may not get deployments.apps", "apps/v1/Deployment/web"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // What was missing is granted, and it goes on by itself.
    stage.put(stage.may("strong", "edit", &user)).await;
    stage.phase("web-v1", Phase::Succeeded).await;
}

#[tokio::test]
async fn an_environment_is_not_ready_until_its_namespace_and_account_are_there() {
    let stage = Stage::open().await;
    let elsewhere = format!("{}-apps", stage.namespace);
    stage.apply(ALICE, &environment("dev", &elsewhere).with("spec.runtime.k8s.serviceAccountName", "later")).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({}))])).await;
    let missing = stage.environment("dev", "is not ready", |status| status.readiness == Readiness::NotReady).await;
    let said = missing.status.unwrap().readiness_message;
    assert!(said.contains(&format!("namespace {elsewhere} does not exist")), "{said}");
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await;

    stage.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": elsewhere}})).await;
    let powerless = stage
        .until("dev", "lacks rights", |environment: &Environment| {
            let said = environment.status.as_ref().map(|status| status.readiness_message.as_str());
            said.is_some_and(|said| said.contains("may not write anything"))
        })
        .await;
    let said = powerless.status.unwrap().readiness_message;
    assert!(said.contains(&format!("system:serviceaccount:{}:later", stage.namespace)), "{said}");
    let waiting = stage.until("web-v1", "was looked at", |deployment: &Deployment| deployment.status.is_some()).await;
    assert!(!waiting.status.unwrap().phase.ended());

    stage.put(stage.service_account("later")).await;
    let grant = ["create", "rolebinding", "later", "--clusterrole=edit", "--namespace"];
    let account = format!("--serviceaccount={}:later", stage.namespace);
    stage.kubectl_says(&[&grant[..], &[&elsewhere, &account]].concat());
    stage.environment("dev", "is ready", |status| status.readiness == Readiness::Ready).await;
    stage.phase("web-v1", Phase::Succeeded).await;
}

#[tokio::test]
async fn an_environment_that_the_server_takes_but_slipway_cannot_use_says_why_and_can_be_deleted() {
    let stage = Stage::open().await;
    let wrong = json!([{"wpCli": {"arguments": ["core", "is-installed"]}}]);
    stage.apply(ALICE, &environment("wrong", &stage.namespace).with("spec.healthChecks", wrong.clone())).await;
    stage.apply(ALICE, &environment("later", &stage.namespace)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({}))])).await;
    stage.apply(ALICE, &deployment("first", "web", "later", "web-v1")).await;
    stage.phase("first", Phase::Succeeded).await;
    stage.environment("later", "is free", |status| status.claim.is_none()).await;
    stage.apply(ALICE, &environment("later", &stage.namespace).with("spec.healthChecks", wrong)).await;
    stage.apply(ALICE, &deployment("second", "web", "later", "web-v1")).await;
    for name in ["wrong", "later"] {
        let refused = stage
            .environment(name, "is refused", |status| {
                status.conditions.iter().any(|condition| condition.type_ == "Stalled" && condition.reason == "Invalid")
            })
            .await;
        let said = refused.status.unwrap().conditions[0].message.clone();
        assert!(said.contains("spec.healthChecks[0].wpCli"), "{said}");
    }
    let waiting = stage.waits("second", "EnvironmentNotFound").await;
    let said = waiting.status.unwrap().diagnostics.unwrap().message;
    assert!(said.contains("or is not valid"), "{said}");
    let uid = stage.get::<Environment>("later").await.metadata.uid.unwrap();
    for name in ["first", "second"] {
        stage.delete::<Deployment>(name).await;
        stage.gone::<Deployment>(name).await;
    }
    for name in ["wrong", "later"] {
        stage.delete::<Environment>(name).await;
        stage.gone::<Environment>(name).await;
    }
    assert_eq!(stage.actions(&uid), ["environment.created", "environment.deleted"]);
}

#[tokio::test]
async fn secrets_appear_nowhere_but_where_they_belong() {
    const MARKER: &str = "hunter2-and-a-marker";
    // base64 of the marker, as `data` and the API server's own answers have it.
    const ENCODED: &str = "aHVudGVyMi1hbmQtYS1tYXJrZXI=";
    let mut stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    let manual = environment("shown", &stage.namespace).with("spec.policy.confirm", "Manual");
    stage.apply(ALICE, &stage.apart(manual).await).await;
    let secret = |name: &str, value: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "stringData": {"password": value}});
    let encoded =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "coded"}, "data": {"password": ENCODED}});
    let good = [secret("plain", MARKER), encoded.clone(), workload("web", "1")];
    stage.apply(ALICE, &release("web-v1", "web", &good)).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await;
    stage.phase("web-v1", Phase::Succeeded).await;
    // A change of the secret with a failing workload: previewed, applied, rolled back.
    let bad = [secret("plain", &format!("{MARKER}-2")), encoded, workload("web", "crashing")];
    stage.apply(ALICE, &release("web-v2", "web", &bad)).await;
    stage.apply(ALICE, &deployment("web-v2", "web", "dev", "web-v2")).await;
    stage.phase("web-v2", Phase::RolledBack).await;
    // A Secret that the API server refuses: its answer repeats what it was sent.
    let refused = secret("wrong", MARKER).with("data", json!({"password": MARKER}));
    stage.apply(ALICE, &release("web-v3", "other", &[refused])).await;
    stage.apply(ALICE, &deployment("web-v3", "other", "shown", "web-v3")).await;
    let said = stage
        .until("web-v3", "is refused", |deployment: &Deployment| {
            deployment
                .status
                .as_ref()
                .is_some_and(|status| status.diagnostics.as_ref().is_some_and(|said| said.code != "not_found"))
        })
        .await;
    assert!(said.status.unwrap().diagnostics.is_some());
    stage.environment("dev", "is free", |status| status.claim.is_none()).await;

    let mut seen = vec![("the Events", stage.kubectl_says(&["get", "events", "-o", "yaml"]))];
    let mut objects = String::new();
    for kind in ["slipd", "slipe"] {
        objects += &stage.kubectl_says(&["get", kind, "-o", "yaml", "--show-managed-fields"]);
    }
    seen.push(("the objects", objects));
    let releases = stage.kubectl_says(&["get", "slipr", "-o", "jsonpath={.items[*].status}"]);
    seen.push(("the status of Releases", releases));
    let ending = stage.stop().await;
    seen.push(("the log", ending.log));
    let mut files = 0;
    for entry in std::fs::read_dir(stage.database().parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("archive.db") {
            files += 1;
            seen.push(("the archive", String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()));
        }
    }
    assert!(files > 0);
    for (place, text) in seen {
        for needle in [MARKER, ENCODED, ENCODED.trim_end_matches('=')] {
            let at = text.find(needle);
            assert!(at.is_none(), "{needle} in {place}: …{}…", excerpt(&text, at.unwrap_or_default()));
        }
    }
}

fn excerpt(text: &str, at: usize) -> String {
    let from = text[..at].char_indices().rev().nth(300).map_or(0, |(from, _)| from);
    text[from..].chars().take(700).collect()
}
