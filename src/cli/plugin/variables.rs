//! The values that a release asks for with `${NAME}`, and how to give them.

use std::collections::BTreeMap;

use slipway_crd::Release;
use slipway_crd::source::Source;
use slipway_k8s::placeholder;

/// What a release asks for and `variables` does not have, as a sentence, and the flags that would give it.
pub(super) struct Missing {
    pub(super) sentence: String,
    pub(super) flags: String,
}

/// What is missing, if anything is.
pub(super) fn missing(release: &Release, variables: &BTreeMap<String, String>) -> Option<Missing> {
    let Source::Manifests(manifests) = &release.spec.source else { return None };
    let names = placeholder::missing(manifests, variables);
    if names.is_empty() {
        return None;
    }
    let asked: Vec<String> = names.iter().map(|name| format!("${{{name}}}")).collect();
    let flags: Vec<String> = names.iter().map(|name| format!("--var {name}=VALUE")).collect();
    let release = release.metadata.name.as_deref().unwrap_or_default();
    let sentence = format!("release {release} asks for {}, and no value is given", asked.join(", "));
    Some(Missing { sentence, flags: flags.join(" ") })
}
