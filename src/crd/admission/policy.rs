//! A policy that refuses, and its binding.

use serde_json::{Value, json};

use super::deployment::ENVIRONMENT;
use crate::environment_index::NAME;
use crate::stamp::{API_VERSION, constraints, metadata};
use crate::{GROUP, VERSION};

/// What the Environment that a Deployment names asks for, in a policy that [asks there](Refusing::ask_there).
pub(super) const THERE: &str = "variables.there";

/// A policy under construction. Validations are asked in the order in which they were added; the first that does not hold
/// gives the answer.
pub(super) struct Refusing {
    name: &'static str,
    resources: &'static [&'static str],
    operations: &'static [&'static str],
    asks_there: bool,
    conditions: Vec<Value>,
    variables: Vec<Value>,
    validations: Vec<Value>,
}

impl Refusing {
    /// One about these resources, which may be subresources (`deployments/status`).
    pub(super) fn new(
        name: &'static str,
        resources: &'static [&'static str],
        operations: &'static [&'static str],
    ) -> Self {
        let (conditions, variables, validations) = (Vec::new(), Vec::new(), Vec::new());
        Self { name, resources, operations, asks_there: false, conditions, variables, validations }
    }

    /// Only where `expression` is true.
    pub(super) fn condition(&mut self, name: &str, expression: &str) {
        self.conditions.push(json!({"name": name, "expression": expression}));
    }

    /// Looks at what the Environment that the Deployment names asks for, as [`THERE`], where `relevant` is true.
    /// One that is not in the index is judged by the controller, before it previews anything.
    pub(super) fn ask_there(&mut self, relevant: &str) {
        self.asks_there = true;
        let known = format!("has(params.spec.environments) && {ENVIRONMENT} in params.spec.environments");
        self.condition("its-environment", &format!("{known} && ({relevant})"));
        self.variable("there", format!("params.spec.environments[{ENVIRONMENT}]"));
    }

    /// An expression with a name. Evaluated when it is first used.
    pub(super) fn variable(&mut self, name: &str, expression: impl Into<String>) {
        self.variables.push(json!({"name": name, "expression": expression.into()}));
    }

    pub(super) fn refuse(&mut self, validation: Value) {
        self.validations.push(validation);
    }

    /// The policy and its binding.
    pub(super) fn objects(self) -> [Value; 2] {
        let mut spec = json!({
            "failurePolicy": "Fail",
            "matchConstraints": constraints(self.resources, self.operations),
            "variables": self.variables,
            "validations": self.validations,
        });
        if !self.conditions.is_empty() {
            spec["matchConditions"] = Value::Array(self.conditions);
        }
        let mut binding = json!({"policyName": self.name, "validationActions": ["Deny"]});
        if self.asks_there {
            spec["paramKind"] = json!({"apiVersion": format!("{GROUP}/{VERSION}"), "kind": "EnvironmentIndex"});
            binding["paramRef"] = json!({"name": NAME, "parameterNotFoundAction": "Allow"});
        }
        let object = |kind: &str, spec: Value| json!({"apiVersion": API_VERSION, "kind": kind, "metadata": metadata(self.name), "spec": spec});
        [object("ValidatingAdmissionPolicy", spec), object("ValidatingAdmissionPolicyBinding", binding)]
    }
}
