//! What each role may do, asked of a real API server; and the examples of docs/RBAC.md, applied as they stand there.

use std::fmt::Write as _;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Client;
use kube::api::{Api, PostParams};
use slipway_tests::plane::Plane;
use slipway_tests::stage::{Stage, eventually};

use super::helm::root;
use super::site::say;

const ROLES: [&str; 5] = ["viewer", "deployer", "reviewer", "operator", "auditor"];

/// Role × right, an `x` where the role has it. The same table is in docs/RBAC.md.
const MATRIX: &str = "\
|  | viewer | deployer | reviewer | operator | auditor |
|---|---|---|---|---|---|
| `get` `deployments` | x | x | x | x | x |
| `list` `environments` | x | x | x | x | x |
| `watch` `releases` | x | x | x | x | x |
| `create` `deployments` |  | x |  | x |  |
| `patch` `deployments` |  | x | x | x |  |
| `update` `deployments` |  | x | x | x |  |
| `delete` `deployments` |  | x |  |  |  |
| `create` `releases` |  | x |  |  |  |
| `patch` `releases` |  | x |  |  |  |
| `delete` `releases` |  |  |  |  |  |
| `create` `environments` |  |  |  |  |  |
| `patch` `environments` |  |  |  | x |  |
| `delete` `environments` |  |  |  |  |  |
| `deploy` `environments` |  | x |  | x |  |
| `approve` `environments` |  |  | x |  |  |
| `rollback` `environments` |  |  |  | x |  |
| `reset` `environments` |  |  |  | x |  |
| `breakglass` `environments` |  |  |  | x |  |
| `backup` `environments` |  |  |  |  |  |
| `govern` `environments` |  |  |  |  |  |
| `actas` `requesters` |  |  |  |  |  |
| `update` `deployments/status` |  |  |  |  |  |
| `patch` `environments/status` |  |  |  |  |  |
| `update` `deployments/finalizers` |  |  |  |  |  |
| `list` `events` |  |  |  |  | x |
";

#[tokio::test]
async fn each_role_may_do_what_the_table_says() {
    let stage = Stage::dark().await;
    for role in ROLES {
        stage.put(stage.may(&format!("{role}s"), &format!("slipway-{role}"), &user(role))).await;
    }
    let asked: Vec<_> = MATRIX.lines().skip(2).map(|line| line.split('`').collect::<Vec<_>>()).collect();
    // The server learns of a binding a moment after it has stored it.
    for role in ROLES {
        granted(&stage.admin, &stage.namespace, &user(role), ("list", "environments", "")).await;
    }
    let mut matrix: String = MATRIX.lines().take(2).fold(String::new(), |text, line| text + line + "\n");
    for question in asked {
        let (verb, resource) = (question[1], question[3]);
        write!(matrix, "| `{verb}` `{resource}` |").unwrap();
        for role in ROLES {
            let may = allowed(&stage.admin, &stage.namespace, &user(role), (verb, resource, "production")).await;
            matrix.push_str(if may { " x |" } else { "  |" });
        }
        matrix.push('\n');
    }
    assert!(matrix == MATRIX, "{matrix}");
    let page = std::fs::read_to_string(root().join("docs/RBAC.md")).unwrap();
    assert!(page.contains(MATRIX), "the table of docs/RBAC.md is another one");
}

#[tokio::test]
async fn the_examples_of_the_page_grant_what_it_says_of_them() {
    let stage = Stage::dark().await;
    let plane = Plane::shared().unwrap();
    let page = std::fs::read_to_string(root().join("docs/RBAC.md")).unwrap();
    let examples: Vec<_> = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 3);
    // The page speaks of a namespace; here it is the stage's.
    for example in examples {
        say(
            plane,
            &["apply", "-f", "-"],
            &example.replace("namespace: shop", &format!("namespace: {}", stage.namespace)),
        );
    }
    let (admin, namespace) = (&stage.admin, stage.namespace.as_str());
    let flux = format!("system:serviceaccount:{namespace}:flux");
    for (user, yes, no) in [
        (
            "rita@example.com",
            vec![("approve", "environments", "production"), ("patch", "deployments", "a"), ("list", "releases", "")],
            vec![
                ("approve", "environments", "staging"),
                ("approve", "environments", ""),
                ("deploy", "environments", "production"),
                ("create", "deployments", ""),
                ("patch", "environments", "production"),
            ],
        ),
        (
            "paula@example.com",
            vec![
                ("create", "environments", ""),
                ("delete", "environments", "production"),
                ("govern", "environments", "production"),
                ("reset", "environments", "production"),
            ],
            vec![("approve", "environments", "production"), ("patch", "deployments", "a")],
        ),
        (
            flux.as_str(),
            vec![
                ("create", "deployments", ""),
                ("deploy", "environments", "production"),
                ("actas", "requesters", "alice@example.com"),
            ],
            vec![("actas", "requesters", "bob@example.com"), ("approve", "environments", "production")],
        ),
    ] {
        for right in yes {
            self::granted(admin, namespace, user, right).await;
        }
        for right in no {
            assert!(!allowed(admin, namespace, user, right).await, "{user} {right:?}");
        }
        // In another namespace nothing of it holds.
        assert!(!allowed(admin, "default", user, ("list", "deployments", "")).await, "{user}");
    }
}

fn user(role: &str) -> String {
    format!("{role}@example.com")
}

/// Waits until `user` has a right.
async fn granted(client: &Client, namespace: &str, user: &str, right: (&str, &str, &str)) {
    let may = async || allowed(client, namespace, user, right).await.then_some(());
    eventually(&format!("{user} may {right:?}"), may).await;
}

/// Whether `user` may: verb, resource, name. An empty name is any.
async fn allowed(client: &Client, namespace: &str, user: &str, (verb, resource, name): (&str, &str, &str)) -> bool {
    let (resource, subresource) = resource.split_once('/').map_or((resource, None), |(a, b)| (a, Some(b)));
    let group = if resource == "events" { "events.k8s.io" } else { "slipway.dev" };
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: some(user),
            resource_attributes: Some(ResourceAttributes {
                namespace: some(namespace),
                verb: some(verb),
                group: some(group),
                resource: some(resource),
                subresource: subresource.and_then(some),
                name: some(name),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed
}
