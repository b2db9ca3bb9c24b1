//! What a real API server says, with the generated policies installed, asked as each person by a dry-run.
//!
//! What stands is put there before the policies are: the situations of the matrix need not be reached one by one.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};
use kube::api::{Api, DeleteParams, DynamicObject, PostParams};
use kube::core::ApiResource;
use kube::{Client, Error};
use serde_json::{Value, json};
use slipway_domain::code::Code;
use slipway_tests::plane::Plane;
use slipway_tests::stage::eventually;

use super::case::{Answer, Case};
use super::deed::{ASKED, Deed, SAID, Way};
use super::people::{CI, PEOPLE, Person};
use super::place::{self, PLACES};
use super::situation::SITUATIONS;
use super::{domain, matrix};

const NAMESPACE: &str = super::case::NAMESPACE;
/// How many questions are on their way at once.
const AT_ONCE: usize = 16;

/// What came of it.
#[derive(Debug, Default)]
pub struct Asked {
    pub cases: usize,
    pub differ: Vec<String>,
}

struct Server {
    plane: Plane,
    people: BTreeMap<&'static str, Client>,
}

/// Asks every case, and compares with the domain; with `SLIPWAY_MATRIX=n` every n-th.
pub async fn ask_all() -> Asked {
    let server = Server::furnished().await;
    let index = place::index(NAMESPACE);
    let mut asked = Asked::default();
    for place in PLACES {
        let mut questions = Vec::new();
        for deed in ASKED {
            for who in matrix::doers(&deed) {
                let after = matrix::asked(&deed, place, NAMESPACE, &who);
                let case = Case { who, deed, place, before: None, after: after.clone(), index: &index };
                let mut sent = after;
                sent["metadata"] = json!({"name": "new", "namespace": NAMESPACE});
                questions.push((format!("{} | new", deed.name), who, deed, sent, domain::answer(&case)));
            }
        }
        for (number, situation) in SITUATIONS.iter().enumerate() {
            let imagined = situation.deployment(place, NAMESPACE);
            let stored = server.stored(&format!("{}-{number}", place.name)).await;
            for deed in SAID {
                for who in matrix::doers(&deed) {
                    let after = deed.done(&imagined, who.name);
                    if after == imagined && matches!(deed.way, Way::Spec | Way::Status) {
                        continue;
                    }
                    let before = Some(&imagined);
                    let case = Case { who, deed, place, before, after, index: &index };
                    let row = format!("{} | {} {}", deed.name, situation.phase, situation.name);
                    questions.push((row, who, deed, deed.done(&stored, who.name), domain::answer(&case)));
                }
            }
        }
        let every = std::env::var("SLIPWAY_MATRIX").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
        let questions = questions.into_iter().skip(asked.cases % every).step_by(every);
        let answers = stream::iter(questions).map(|(row, who, deed, object, expected)| {
            let server = &server;
            async move {
                let answer = server.answer(&who, &deed, &object).await;
                let same = matrix::agree(&deed, expected, answer);
                (!same).then(|| {
                    let words = (matrix::word(expected), matrix::word(answer));
                    format!("{} {row} by {}: domain {}, server {}", place.name, who.name, words.0, words.1)
                })
            }
        });
        let answers: Vec<_> = answers.buffer_unordered(AT_ONCE).collect().await;
        asked.cases += answers.len();
        asked.differ.extend(answers.into_iter().flatten());
    }
    asked
}

impl Server {
    async fn furnished() -> Self {
        let plane = Plane::start().unwrap();
        let (policies, rest): (Vec<Value>, Vec<Value>) = manifests();
        apply(&plane, &rest);
        let established = ["wait", "--for=condition=Established", "--timeout=30s", "crd", "--selector"];
        kubectl(&plane, &[&established[..], &["app.kubernetes.io/name=slipway"]].concat(), "");
        apply(&plane, &[json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})]);
        apply(&plane, &rights());
        let mut people = BTreeMap::new();
        for person in PEOPLE {
            let mut config = plane.config().await.unwrap();
            config.auth_info.impersonate = Some(person.name.to_owned());
            people.insert(person.name, Client::try_from(config).unwrap());
        }
        let server = Self { plane, people };
        server.store_all().await;
        apply(&server.plane, &policies);
        server.in_force().await;
        server
    }

    fn api(&self, who: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.people[who].clone(), NAMESPACE, &resource())
    }

    /// Every situation at every place, as `PLACE-NUMBER`.
    async fn store_all(&self) {
        apply(&self.plane, &PLACES.map(|place| place.environment(NAMESPACE)));
        apply(&self.plane, &[place::index(NAMESPACE)]);
        let api = self.api(CI);
        for place in PLACES {
            for (number, situation) in SITUATIONS.iter().enumerate() {
                let name = format!("{}-{number}", place.name);
                let mut new = super::situation::request(place, NAMESPACE, &name);
                new["spec"]["submittedBy"] = CI.into();
                let mut stored = api.create(&PostParams::default(), &dynamic(&new)).await.unwrap();
                for (field, value) in situation.intents() {
                    stored.data["spec"][field] = value;
                }
                let mut stored = api.replace(&name, &PostParams::default(), &stored).await.unwrap();
                if let Some(status) = situation.status(place) {
                    stored.data["status"] = status;
                    api.replace_status(&name, &PostParams::default(), &stored).await.unwrap();
                }
            }
        }
    }

    async fn stored(&self, name: &str) -> Value {
        serde_json::to_value(self.api(CI).get(name).await.unwrap()).unwrap()
    }

    /// A policy is in force a second or two after it was accepted, and one that looks at the index when it has seen
    /// that: each is asked something that it alone refuses.
    async fn in_force(&self) {
        let by = |name: &str| PEOPLE.into_iter().find(|person| person.name.starts_with(name)).unwrap();
        let deed = |name: &str| ASKED.into_iter().chain(SAID).find(|deed| deed.name == name).unwrap();
        let production = PLACES.into_iter().find(|place| place.name == "production").unwrap();
        let probes = [
            ("mallory", "ask in one's own name", None),
            ("alice", "ask without a risk", None),
            ("mallory", "confirm", Some(2)),
            ("alice", "start", Some(6)),
            ("alice", "delete", Some(2)),
            ("alice", "write status", Some(2)),
        ];
        for (who, name, situation) in probes {
            let (who, deed) = (by(who), deed(name));
            let object = match situation {
                None => {
                    let mut new = matrix::asked(&deed, production, NAMESPACE, &who);
                    new["metadata"] = json!({"name": "new", "namespace": NAMESPACE});
                    new
                }
                Some(number) => deed.done(&self.stored(&format!("production-{number}")).await, who.name),
            };
            let refused = async || self.told(&who, &deed, &object).await.and_then(Result::err);
            eventually(&format!("a policy refuses to {name}"), refused).await;
        }
    }

    async fn answer(&self, who: &Person, deed: &Deed, object: &Value) -> Answer {
        self.told(who, deed, object).await.unwrap_or_else(|| panic!("{}: the server is not ready", deed.name))
    }

    /// The answer; none while what judges requests does not know the definitions yet, which the server says with 503.
    async fn told(&self, who: &Person, deed: &Deed, object: &Value) -> Option<Answer> {
        let (api, object) = (self.api(who.name), dynamic(object));
        let name = object.metadata.name.clone().unwrap_or_default();
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        let outcome = match deed.way {
            Way::Create => api.create(&dry, &object).await.map(drop),
            Way::Spec => api.replace(&name, &dry, &object).await.map(drop),
            Way::Status => api.replace_status(&name, &dry, &object).await.map(drop),
            Way::Delete => {
                api.delete(&name, &DeleteParams { dry_run: true, ..DeleteParams::default() }).await.map(drop)
            }
        };
        Some(match outcome {
            Ok(()) => Ok(()),
            Err(Error::Api(status)) if status.code == 503 => return None,
            Err(Error::Api(status)) => {
                let told = status.message.split_once("denied request: ").and_then(|(_, said)| said.split_once(": "));
                match told {
                    Some((code, _)) => Err(code.parse().unwrap()),
                    None if status.code == 422 => Err(Code::ValidationFailed),
                    None => panic!("{}: {status:?}", deed.name),
                }
            }
            Err(error) => panic!("{}: {error}", deed.name),
        })
    }
}

/// What `slipway manifests` prints, the policies apart.
fn manifests() -> (Vec<Value>, Vec<Value>) {
    let text = slipway_crd::install::everything().unwrap();
    let documents = text.split("\n---\n").map(|document| serde_yaml::from_str::<Value>(document).unwrap());
    documents.partition(|object| object["apiVersion"] == "admissionregistration.k8s.io/v1")
}

/// Everybody may write everything, as far as RBAC is asked; and each has their verbs.
fn rights() -> Vec<Value> {
    let user = |name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name});
    let role = |name: &str, rules: Value| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": {"name": name, "namespace": NAMESPACE}, "rules": rules,
        })
    };
    let binding = |name: &str, subjects: Value| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}, "subjects": subjects,
        })
    };
    let writes = json!([{
        "apiGroups": ["slipway.dev"], "resources": ["deployments", "deployments/status"],
        "verbs": ["get", "create", "update", "delete"],
    }]);
    let everybody: Vec<Value> = PEOPLE.iter().map(|person| user(person.name)).collect();
    let mut all = vec![role("writes", writes), binding("writes", json!(everybody))];
    for (number, person) in PEOPLE.iter().enumerate() {
        let words =
            |verbs: &[slipway_domain::admission::Verb]| verbs.iter().map(|verb| verb.as_str()).collect::<Vec<_>>();
        let mut rules = Vec::new();
        if !person.verbs.is_empty() {
            let names = PLACES.map(|place| place.name).into_iter().chain(["elsewhere"]).collect::<Vec<_>>();
            rules.push(json!({
                "apiGroups": ["slipway.dev"], "resources": ["environments"], "resourceNames": names,
                "verbs": words(person.verbs),
            }));
        }
        if person.verbs.contains(&slipway_domain::admission::Verb::ActAs) {
            rules.push(json!({"apiGroups": ["slipway.dev"], "resources": ["requesters"], "verbs": ["actas"]}));
        }
        if !person.elsewhere.is_empty() {
            rules.push(json!({
                "apiGroups": ["slipway.dev"], "resources": ["environments"], "resourceNames": ["somewhere-else"],
                "verbs": words(person.elsewhere),
            }));
        }
        if !rules.is_empty() {
            let name = format!("person-{number}");
            all.extend([role(&name, json!(rules)), binding(&name, json!([user(person.name)]))]);
        }
    }
    all
}

fn resource() -> ApiResource {
    ApiResource::erase::<slipway_crd::Deployment>(&())
}

fn dynamic(object: &Value) -> DynamicObject {
    serde_json::from_value(object.clone()).unwrap()
}

fn apply(plane: &Plane, objects: &[Value]) {
    let documents: Vec<String> = objects.iter().map(Value::to_string).collect();
    kubectl(plane, &["apply", "--server-side", "-f", "-"], &documents.join("\n---\n"));
}

fn kubectl(plane: &Plane, arguments: &[&str], input: &str) {
    let output = plane.kubectl_with_input(arguments, input).unwrap();
    assert!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
