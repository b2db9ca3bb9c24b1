//! Everything the runtime does, it does as one account, in one namespace, for one service of one Environment.

use serde_json::{Map, Value};

/// The field manager of every write.
pub const FIELD_MANAGER: &str = "slipway";
/// Says that Slipway manages the object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The Environment's name; with [`SERVICE_LABEL`] it selects what one release consists of.
pub const ENVIRONMENT_LABEL: &str = "slipway.dev/environment";
/// The service's name.
pub const SERVICE_LABEL: &str = "slipway.dev/service";
/// `environment namespace/environment/service`: who may change and prune the object.
pub const OWNER_ANNOTATION: &str = "slipway.dev/owner";
/// The digest of the object as it was rendered, secret values sealed.
pub const CONTENT_ANNOTATION: &str = "slipway.dev/content";

/// A kind whatever its version: `apps` and `Deployment`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKind {
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
}

/// Where a release goes, as whom, and for which service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The namespace that every object is forced into.
    pub namespace: String,
    /// The account that every call impersonates: `system:serviceaccount:shop:deployer`.
    pub user: String,
    /// The groups of that account.
    pub groups: Vec<String>,
    /// The Environment, as `namespace/name`.
    pub environment: String,
    /// The service that is released.
    pub service: String,
    /// Kinds that are refused unless the Environment lists them, and it lists these.
    pub allow: Vec<GroupKind>,
}

impl Target {
    /// A target that acts as the service account `account` of the namespace it deploys to.
    pub fn new(namespace: &str, account: &str, environment: &str, service: &str, allow: Vec<GroupKind>) -> Self {
        Self {
            namespace: namespace.to_owned(),
            user: format!("system:serviceaccount:{namespace}:{account}"),
            groups: vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".to_owned(),
            ],
            environment: environment.to_owned(),
            service: service.to_owned(),
            allow,
        }
    }

    /// Who owns what is applied here: the value of [`OWNER_ANNOTATION`].
    pub fn owner(&self) -> String {
        format!("{}/{}", self.environment, self.service)
    }

    /// The label selector of what one release consists of.
    pub fn selector(&self) -> String {
        format!("{ENVIRONMENT_LABEL}={},{SERVICE_LABEL}={}", self.environment_name(), self.service)
    }

    /// `namespace:account`, as `kubectl create rolebinding --serviceaccount` takes it, if the user is a service account.
    pub fn service_account(&self) -> Option<&str> {
        self.user.strip_prefix("system:serviceaccount:")
    }

    /// The Environment lists this kind among those that are refused elsewhere.
    pub fn allows(&self, group: &str, kind: &str) -> bool {
        self.allow.iter().any(|allowed| allowed.group == group && allowed.kind == kind)
    }

    fn environment_name(&self) -> &str {
        self.environment.rsplit_once('/').map_or(&self.environment, |(_, name)| name)
    }

    /// Puts the ownership labels and annotations on an object. What the manifest says under the same keys gives way:
    /// an object exported from one Environment can be released to another.
    pub(crate) fn claim(&self, metadata: &mut Map<String, Value>) {
        let mut set = |field: &str, key: &str, value: String| {
            let entry = metadata.entry(field).or_insert_with(|| Value::Object(Map::new()));
            if !entry.is_object() {
                *entry = Value::Object(Map::new());
            }
            if let Some(map) = entry.as_object_mut() {
                map.insert(key.to_owned(), Value::String(value));
            }
        };
        set("labels", MANAGED_BY_LABEL, FIELD_MANAGER.to_owned());
        set("labels", ENVIRONMENT_LABEL, self.environment_name().to_owned());
        set("labels", SERVICE_LABEL, self.service.clone());
        set("annotations", OWNER_ANNOTATION, self.owner());
    }
}

/// Whose a live object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// This service's of this Environment.
    Ours,
    /// Another one's, which it names.
    Theirs(String),
    /// Nobody's that Slipway knows.
    Nobody,
}

impl Ownership {
    /// Reads whose `live` is, seen from `target`.
    pub(crate) fn of(live: &Value, target: &Target) -> Self {
        match annotation(live, OWNER_ANNOTATION) {
            Some(owner) if owner == target.owner() => Self::Ours,
            Some(owner) => Self::Theirs(owner.to_owned()),
            None => Self::Nobody,
        }
    }
}

/// An annotation of an object.
pub(crate) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][key].as_str()
}
