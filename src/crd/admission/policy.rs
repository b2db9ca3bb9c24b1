//! A policy that refuses, and its binding.

use serde_json::{Value, json};

use crate::GROUP;
use crate::stamp::{API_VERSION, constraints, metadata};

/// What else a policy looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    /// Nothing but the request.
    None,
    /// The Environment that the request names. The API server asks once for each one in the namespace: the conditions
    /// leave one.
    Environment,
}

/// A policy under construction. Validations are asked in the order in which they were added; the first that does not hold
/// gives the answer.
pub(super) struct Refusing {
    name: &'static str,
    resources: &'static [&'static str],
    operations: &'static [&'static str],
    parameter: Parameter,
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
        Self { name, resources, operations, parameter: Parameter::None, conditions, variables, validations }
    }

    /// Only where `expression` is true.
    pub(super) fn condition(&mut self, name: &str, expression: &str) {
        self.conditions.push(json!({"name": name, "expression": expression}));
    }

    /// Looks at the Environment that the Deployment names, where `relevant` is true.
    pub(super) fn parameter(&mut self, parameter: Parameter, relevant: &str) {
        self.parameter = parameter;
        // One condition and not two: it is asked for every Environment, and ends at the name for all but one.
        let its = format!("params.metadata.name == object.spec.environmentRef.name && ({relevant})");
        self.condition("its-environment", &its);
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
        if self.parameter == Parameter::Environment {
            spec["paramKind"] = json!({"apiVersion": format!("{GROUP}/v1alpha1"), "kind": "Environment"});
            // Where the namespace has no Environment yet, the controller asks the same before it previews anything.
            binding["paramRef"] = json!({"selector": {}, "parameterNotFoundAction": "Allow"});
        }
        let object = |kind: &str, spec: Value| json!({"apiVersion": API_VERSION, "kind": kind, "metadata": metadata(self.name), "spec": spec});
        [object("ValidatingAdmissionPolicy", spec), object("ValidatingAdmissionPolicyBinding", binding)]
    }
}
