//! Where: one Environment of each kind that the rules tell apart.

use serde_json::{Value, json};
use slipway_crd::environment_index::{NAME, Terms};
use slipway_crd::parse;
use slipway_domain::environment::Environment;

/// An Environment's name, tier and runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub name: &'static str,
    pub tier: &'static str,
    pub by_hand: bool,
    /// How many approvals it asks for itself.
    pub count: Option<u32>,
}

const fn place(name: &'static str, tier: &'static str) -> Place {
    Place { name, tier, by_hand: false, count: None }
}

pub const PLACES: [Place; 5] = [
    place("development", "development"),
    place("staging", "staging"),
    place("production", "production"),
    Place { count: Some(2), ..place("vault", "production") },
    Place { by_hand: true, ..place("hands", "staging") },
];

impl Place {
    /// How many approvals it takes here.
    pub fn approvals(&self) -> u32 {
        self.count.unwrap_or(u32::from(self.tier == "production" || self.by_hand))
    }

    /// The Environment.
    pub fn environment(&self, namespace: &str) -> Value {
        let runtime = if self.by_hand {
            json!({"manual": {}})
        } else {
            json!({"k8s": {"namespace": namespace, "serviceAccountName": "deployer", "access": "platformManaged"}})
        };
        let mut environment = json!({
            "apiVersion": "slipway.dev/v1alpha1", "kind": "Environment",
            "metadata": {"name": self.name, "namespace": namespace},
            "spec": {"project": "shop", "team": "web", "tier": self.tier, "runtime": runtime},
        });
        if let Some(count) = self.count {
            environment["spec"]["policy"] = json!({"approval": {"count": count}});
        }
        environment
    }

    /// The Environment as the domain sees it.
    pub fn read(&self, namespace: &str) -> Environment {
        let mut environment = self.environment(namespace);
        environment["metadata"]["uid"] = "6f3c1c9e-0000-4000-8000-000000000002".into();
        environment["metadata"]["creationTimestamp"] = "2026-01-02T03:04:05Z".into();
        parse::environment(&serde_json::from_value(environment).unwrap()).unwrap()
    }
}

/// The index of all of them.
pub fn index(namespace: &str) -> Value {
    let entry = |place: Place| (place.name.to_owned(), json!(Terms::of(&place.read(namespace))));
    json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "EnvironmentIndex",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": {"environments": PLACES.into_iter().map(entry).collect::<serde_json::Map<_, _>>()},
    })
}
