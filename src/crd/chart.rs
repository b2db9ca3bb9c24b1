//! What comes from code, as templates of the chart: the same objects in the namespace of the release.
//!
//! Helm reads a template before it reads YAML, so what looks like an action of a template is written as one that prints
//! it. CRDs are templates too, because an upgrade leaves alone what is in a chart's `crds/`; a removal leaves them, and
//! with them every object.

use serde_json::{Value, json};

use crate::install::{GenerateError, NAMESPACE, definitions, generated};
use crate::{rbac, stamp};

const FOLDER: &str = "charts/slipway/templates/generated";

/// The files of the chart that come from code: path from the root of the repository, and content.
pub(crate) fn files() -> Result<Vec<(String, String)>, GenerateError> {
    let mut definitions = definitions()?;
    for definition in &mut definitions {
        definition["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
    }
    [("crds", definitions), ("policies", stamp::policies()), ("rbac", rbac::rbac())]
        .into_iter()
        .map(|(name, objects)| Ok((format!("{FOLDER}/{name}.yaml"), template(&objects)?)))
        .collect()
}

fn template(objects: &[Value]) -> Result<String, GenerateError> {
    Ok(verbatim(&generated(objects)?).replace(NAMESPACE, "{{ .Release.Namespace }}"))
}

/// The template that renders as `text`.
fn verbatim(text: &str) -> String {
    let mut template = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        template.push_str(&rest[..at]);
        template.push_str(r#"{{ "{{" }}"#);
        rest = &rest[at + 2..];
    }
    template.push_str(rest);
    template
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_of_an_expression_are_no_action_of_the_template() {
        assert_eq!(verbatim("Object{spec: Object.spec{a: 1}}"), "Object{spec: Object.spec{a: 1}}");
        assert_eq!(verbatim("{{{'a': {'b': {}}}}}"), r#"{{ "{{" }}{'a': {'b': {}}}}}"#);
    }

    #[test]
    fn an_account_is_one_of_the_namespace_of_the_release() {
        let object = json!({"expression": format!("a == 'system:serviceaccount:{NAMESPACE}:slipway'")});
        let template = template(&[object]).unwrap();
        assert!(template.contains("'system:serviceaccount:{{ .Release.Namespace }}:slipway'"), "{template}");
        assert!(!template.contains(NAMESPACE), "{template}");
    }
}
