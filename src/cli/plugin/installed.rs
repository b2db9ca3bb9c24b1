//! Whether what is installed is what this version generates: present, and saying the same.
//!
//! Policies are compared as the controller compares them before it believes anyone. Definitions have no such judge: of
//! them all that is generated has to be there, and nothing else among the versions.

use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;
use slipway_crd::install::{self, NAMESPACE};
use slipway_crd::likeness::{self, KINDS, Model, SELECTOR, models, models_in};
use slipway_domain::admission::CONTROLLER_ACCOUNT;
use slipway_domain::guard::Problem;

use super::access::Access;
use super::{name, refusal};
use crate::Failure;

/// The kind of a definition.
pub(super) const DEFINITION: &str = "CustomResourceDefinition";

/// How one object of the installation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// As generated.
    Same,
    /// It is not.
    Wrong(Problem),
    /// The caller may not see it.
    Hidden,
    /// It could not be read.
    Unknown(String),
}

/// One object of the installation, by kind and name.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) state: State,
}

/// All that is installed.
#[derive(Debug)]
pub(super) struct Installed {
    /// The namespace of Slipway itself: the one that was named, or whose account the policies let write status.
    pub(super) namespace: String,
    /// The namespace that it is in instead, where the one that was named has nothing of it.
    pub(super) elsewhere: Option<String>,
    pub(super) parts: Vec<Part>,
}

impl Installed {
    /// Whether something is there that should be otherwise, or is not there.
    pub(super) fn wrong(&self) -> bool {
        self.elsewhere.is_some() || self.altered()
    }

    /// Whether something that is there, or should be, is not as generated.
    pub(super) fn altered(&self) -> bool {
        self.parts.iter().any(|part| matches!(part.state, State::Wrong(_)))
    }
}

/// What the server shows of one kind.
enum Shown {
    Objects(Vec<Value>),
    Not(State),
}

/// Looks at the definitions and the policies that are generated, for Slipway in `namespace`.
pub(super) async fn look(access: &Access, namespace: Option<&str>) -> Result<Installed, Failure> {
    let unread =
        |error: install::GenerateError| Failure::No(format!("what should be installed cannot be told: {error}"));
    let definitions = install::definitions().map_err(unread)?;
    let shown = listed(access, "apiextensions.k8s.io", "v1", DEFINITION).await?;
    let mut parts: Vec<Part> = definitions.iter().map(|wanted| definition(wanted, &shown)).collect();
    let mut policies = Vec::with_capacity(KINDS.len());
    for kind in KINDS {
        policies.push((kind, listed(access, likeness::GROUP, likeness::VERSION, kind).await?));
    }
    let objects = policies.iter().filter_map(|(_, shown)| match shown {
        Shown::Objects(objects) => Some(objects),
        Shown::Not(_) => None,
    });
    let home = home(objects.flatten());
    let elsewhere = home.clone().filter(|home| namespace.is_some_and(|named| named != home));
    let namespace = namespace.map(str::to_owned).or(home).unwrap_or_else(|| NAMESPACE.to_owned());
    if elsewhere.is_some() {
        // Of each policy there is one in a cluster: those that are there are not altered, they are another's.
        return Ok(Installed { namespace, elsewhere, parts });
    }
    for model in models_in(&namespace) {
        let shown = policies.iter().find(|(kind, _)| *kind == model.kind).map(|(_, shown)| shown);
        let judge = |live: &Value| model.problem(&live["spec"], going(live));
        let state = shown.map_or(State::Wrong(Problem::Missing), |shown| state(shown, &model.name, judge));
        parts.push(Part { kind: model.kind.clone(), name: model.name.clone(), state });
    }
    Ok(Installed { namespace, elsewhere, parts })
}

async fn listed(access: &Access, group: &str, version: &str, kind: &str) -> Result<Shown, Failure> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api: Api<DynamicObject> = Api::all_with(access.client.clone(), &resource);
    match refusal::timed(api.list(&ListParams::default().labels(SELECTOR))).await {
        Ok(list) => Ok(Shown::Objects(list.items.iter().map(|item| serde_json::json!(item)).collect())),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(Shown::Not(State::Hidden)),
        Err(kube::Error::Api(status)) => Ok(Shown::Not(State::Unknown(status.message.clone()))),
        Err(error) => Err(refusal::said("looking at what is installed", &error)),
    }
}

fn state(shown: &Shown, name: &str, judge: impl Fn(&Value) -> Option<Problem>) -> State {
    let objects = match shown {
        Shown::Objects(objects) => objects,
        Shown::Not(state) => return state.clone(),
    };
    let found = objects.iter().find(|object| object["metadata"]["name"] == name);
    found.map_or(Some(Problem::Missing), judge).map_or(State::Same, State::Wrong)
}

fn going(live: &Value) -> bool {
    !live["metadata"]["deletionTimestamp"].is_null()
}

/// The namespace whose account the policies let write status.
fn home<'a>(mut policies: impl Iterator<Item = &'a Value>) -> Option<String> {
    let (before, after) = CONTROLLER_ACCOUNT.split_once(NAMESPACE)?;
    let (ours, end) = (naming_the_account(), format!("{after}'"));
    policies.find_map(|policy| {
        let text = policy["spec"].to_string();
        let mut named = text.split(before).skip(1).filter_map(|rest| rest.split_once(end.as_str()));
        let namespace = named.find_map(|(namespace, _)| name::namespace(namespace).ok());
        namespace.filter(|_| ours.iter().any(|ours| policy["metadata"]["name"] == ours.as_str()))
    })
}

fn naming_the_account() -> Vec<String> {
    let names_it = |model: &Model| model.spec().to_string().contains(CONTROLLER_ACCOUNT);
    models().into_iter().filter(names_it).map(|model| model.name).collect()
}

fn definition(wanted: &Value, shown: &Shown) -> Part {
    let name = wanted["metadata"]["name"].as_str().unwrap_or_default();
    let judge = |live: &Value| {
        if going(live) {
            return Some(Problem::Deleting);
        }
        difference("spec", &wanted["spec"], &live["spec"]).map(|at| Problem::Altered { at })
    };
    Part { kind: DEFINITION.to_owned(), name: name.to_owned(), state: state(shown, name, judge) }
}

/// The first field that is not as generated. What the server adds of its own stands beside the versions.
fn difference(path: &str, wanted: &Value, live: &Value) -> Option<String> {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => {
            let field = |name: &str| format!("{path}.{name}");
            let among_versions = path.starts_with("spec.versions");
            let mut kept = wanted.iter();
            let changed =
                kept.find_map(|(name, value)| difference(&field(name), value, live.get(name).unwrap_or(&Value::Null)));
            let mut added = live.iter().filter(|(name, value)| !wanted.contains_key(*name) && !blank(value));
            changed.or_else(|| added.next().filter(|_| among_versions).map(|(name, _)| field(name)))
        }
        (Value::Array(wanted), Value::Array(live)) if wanted.len() == live.len() => {
            let mut pairs = wanted.iter().zip(live).enumerate();
            pairs.find_map(|(place, (wanted, live))| difference(&format!("{path}[{place}]"), wanted, live))
        }
        (Value::Number(wanted), Value::Number(live)) if wanted.as_f64() == live.as_f64() => None,
        _ if wanted == live || (blank(wanted) && live.is_null()) => None,
        _ => Some(path.to_owned()),
    }
}

/// What the server leaves out.
fn blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is) => !is,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn altered(change: impl Fn(&mut Value)) -> State {
        let wanted = install::definitions().unwrap().remove(0);
        let mut live = wanted.clone();
        live["spec"]["conversion"] = json!({"strategy": "None"});
        live["spec"]["names"]["listKind"] = "DeploymentList".into();
        change(&mut live);
        definition(&wanted, &Shown::Objects(vec![live])).state
    }

    #[test]
    fn an_altered_definition_is_seen_and_what_the_server_fills_in_is_not() {
        let at = |path: &str| State::Wrong(Problem::Altered { at: path.to_owned() });
        assert_eq!(altered(|_| {}), State::Same);
        assert_eq!(altered(|live| live["spec"]["scope"] = "Cluster".into()), at("spec.scope"));
        let schema = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
        let loose = altered(|live| live.pointer_mut(schema).unwrap()["nullable"] = true.into());
        assert_eq!(loose, at("spec.versions[0].schema.openAPIV3Schema.properties.spec.nullable"));
        let fewer = altered(|live| {
            let rules = live.pointer_mut(&format!("{schema}/x-kubernetes-validations")).unwrap();
            rules.as_array_mut().unwrap().pop();
        });
        assert_eq!(fewer, at("spec.versions[0].schema.openAPIV3Schema.properties.spec.x-kubernetes-validations"));
        let going = altered(|live| live["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into());
        assert_eq!(going, State::Wrong(Problem::Deleting));
        assert_eq!(altered(|live| live["metadata"]["name"] = "other".into()), State::Wrong(Problem::Missing));
    }

    #[test]
    fn the_namespace_of_slipway_is_read_from_the_policies_that_name_its_account() {
        let live = |namespace: &str| -> Vec<Value> {
            let models = models_in(namespace);
            models.iter().map(|model| json!({"metadata": {"name": model.name}, "spec": model.spec()})).collect()
        };
        for namespace in [NAMESPACE, "deploys", "a"] {
            assert_eq!(home(live(namespace).iter()).as_deref(), Some(namespace));
        }
        assert_eq!(home(std::iter::empty()), None);
        // Another's policy may name what account it likes.
        let mut others = live("deploys");
        for policy in &mut others {
            policy["metadata"]["name"] = "theirs".into();
        }
        assert_eq!(home(others.iter()), None);
    }

    #[test]
    fn what_is_not_shown_is_not_wrong() {
        let wanted = install::definitions().unwrap().remove(0);
        assert_eq!(definition(&wanted, &Shown::Not(State::Hidden)).state, State::Hidden);
    }
}
