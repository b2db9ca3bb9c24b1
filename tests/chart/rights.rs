//! The controller has the rights that it uses, and no others: it is watched at work, and what it asked for is compared with
//! its roles.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, Request};
use kube::client::{Body, ClientBuilder};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use slipway_controller::{Config, LeaseConfig};
use slipway_crd::{Deployment, Environment, Release};
use slipway_domain::phase::Phase;
use slipway_store::Options;
use slipway_tests::stage::objects::{config, deployment, environment, release, workload};
use slipway_tests::stage::{ALICE, Stage, eventually};
use tower::util::MapRequestLayer;

/// Group, resource and verb.
type Right = (String, String, String);

/// Rights that are used only when something goes wrong, or by what is not watched here.
const UNSEEN: [(&str, &str, &str); 2] = [
    // After a write that conflicted, or whose answer was lost: `controller/publish.rs::refresh`.
    ("slipway.dev", "environments", "get"),
    ("slipway.dev", "releases", "get"),
];

#[tokio::test]
async fn the_controller_has_the_rights_that_it_uses_and_no_others() {
    let stage = Stage::dark().await;
    let used = Arc::<Mutex<BTreeSet<Right>>>::default();
    let seen = used.clone();
    let record = MapRequestLayer::new(move |request: Request<Body>| {
        seen.lock().unwrap().extend(right(&request));
        request
    });
    let kubeconfig = Kubeconfig::read_from(stage.kubeconfig()).unwrap();
    let mut account = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    account.default_retry = false;
    let client = ClientBuilder::try_from(account).unwrap().with_layer(&record).build();
    let configured = Config {
        database: stage.database(),
        listen: "127.0.0.1:0".parse().unwrap(),
        namespace: None,
        lease: LeaseConfig {
            namespace: "slipway-system".to_owned(),
            name: stage.namespace.clone(),
            duration: Duration::from_secs(3),
        },
        archive: Options { exclusive: true, ..Options::default() },
    };
    let granted = granted();
    let controller = slipway_controller::run(configured, client, std::future::pending());
    let all_used = async {
        work(&stage).await;
        // What it tells the cluster about is told beside everything else.
        for right in granted.iter().filter(|right| !unseen(right)) {
            let seen = async || used.lock().unwrap().contains(right).then_some(());
            eventually(&format!("{right:?}, which is granted, is used"), seen).await;
        }
    };
    tokio::select! {
        ended = Box::pin(controller) => panic!("the controller ended: {ended:?}"),
        () = Box::pin(all_used) => {}
    }
    let used = used.lock().unwrap().clone();
    // Everybody may ask who they are.
    let whoami = owned("authentication.k8s.io", "selfsubjectreviews", "create");
    let taken: Vec<_> = used.difference(&granted).filter(|right| **right != whoami).collect();
    assert!(taken.is_empty(), "used and not granted: {taken:?}");
}

/// Everything that Slipway does with its objects, from their creation to their end.
async fn work(stage: &Stage) {
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    let manifests = [config("web", &json!({"a": "b"})), workload("web", "1")];
    stage.apply(ALICE, &release("web-v1", "web", &manifests)).await;
    stage.apply(ALICE, &deployment("web-v1", "web", "dev", "web-v1")).await;
    stage.phase("web-v1", Phase::Succeeded).await;
    stage.delete::<Deployment>("web-v1").await;
    stage.gone::<Deployment>("web-v1").await;
    stage.delete::<Environment>("dev").await;
    stage.gone::<Environment>("dev").await;
    stage.delete::<Release>("web-v1").await;
    stage.gone::<Release>("web-v1").await;
}

fn unseen((group, resource, verb): &Right) -> bool {
    UNSEEN.iter().any(|(g, r, v)| g == group && (r.is_empty() || (r == resource && v == verb)))
}

/// What a request asks RBAC for; nothing where everybody may, as for the list of what is served.
fn right(request: &Request<Body>) -> Option<Right> {
    if request.headers().contains_key("impersonate-user") {
        return Some(owned("", "serviceaccounts", "impersonate"));
    }
    let path: Vec<_> = request.uri().path().split('/').skip(1).collect();
    let (group, rest) = match path.as_slice() {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let rest = match rest {
        ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
        rest => rest,
    };
    let resource = match rest {
        [] => return None,
        [resource, _, sub] => format!("{resource}/{sub}"),
        [resource, ..] => (*resource).to_owned(),
    };
    let watched = request.uri().query().is_some_and(|query| query.contains("watch=true"));
    let verb = match *request.method() {
        Method::GET if watched => "watch",
        Method::GET if rest.len() == 1 => "list",
        Method::GET => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => panic!("{} {}", request.method(), request.uri()),
    };
    Some(owned(group, &resource, verb))
}

fn owned(group: &str, resource: &str, verb: &str) -> Right {
    (group.to_owned(), resource.to_owned(), verb.to_owned())
}

/// What the controller's roles grant.
fn granted() -> BTreeSet<Right> {
    let objects: Vec<Value> = serde_yaml::from_multiple(&slipway_crd::install::everything().unwrap()).unwrap();
    let names = ["slipway-controller", "slipway-leader", "slipway-namespace"];
    let theirs = objects.iter().filter(|object| names.iter().any(|name| object["metadata"]["name"] == *name));
    let rules: Vec<_> = theirs.filter_map(|role| role["rules"].as_array()).flatten().collect();
    assert!(rules.len() >= names.len());
    let words = |rule: &Value, field: &str| -> Vec<String> { serde_json::from_value(rule[field].clone()).unwrap() };
    let mut granted = BTreeSet::new();
    for rule in rules {
        for group in words(rule, "apiGroups") {
            for resource in words(rule, "resources") {
                granted.extend(words(rule, "verbs").into_iter().map(|verb| (group.clone(), resource.clone(), verb)));
            }
        }
    }
    granted
}
