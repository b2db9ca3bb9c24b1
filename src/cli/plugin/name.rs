//! What a person names is a name before a cluster is asked: it becomes part of an address there.
//!
//! Names of the domain's are checked by the domain. The types that may stand before a name are those of the definition.

use std::str::FromStr;

use kube::CustomResourceExt;
use slipway_crd::{Deployment, Environment, GROUP, VERSION};
use slipway_domain::name::{Actor, EnvironmentName, NameError, Note};

use crate::Failure;

/// The longest name of an object.
const OBJECT_MAX: usize = 253;

/// Which Deployment.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct OfDeployment {
    /// The Deployment, as NAME, slipd/NAME or slipd NAME.
    #[arg(value_name = "DEPLOYMENT", required = true, num_args = 1..=2)]
    deployment: Vec<String>,
}

impl OfDeployment {
    /// Its name.
    pub(super) fn read(&self) -> Result<String, Failure> {
        named::<Deployment>(&self.deployment, object)
    }
}

/// Which Environment.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct OfEnvironment {
    /// The Environment, as NAME, slipe/NAME or slipe NAME.
    #[arg(value_name = "ENVIRONMENT", required = true, num_args = 1..=2)]
    environment: Vec<String>,
}

impl OfEnvironment {
    /// Its name.
    pub(super) fn read(&self) -> Result<String, Failure> {
        named::<Environment>(&self.environment, of::<EnvironmentName>)
    }
}

/// The name in `NAME`, `TYPE/NAME` or `TYPE NAME`, if the type is that of `K`.
fn named<K: CustomResourceExt>(
    words: &[String],
    check: impl Fn(&str) -> Result<String, String>,
) -> Result<String, Failure> {
    let names = K::crd().spec.names;
    let short = names.short_names.into_iter().flatten().next().unwrap_or_else(|| names.plural.clone());
    let next = format!("write it as NAME, {short}/NAME or {}.{GROUP}/NAME", names.plural);
    let wrong = |what: String| Failure::Usage(format!("{what}\nnext: {next}"));
    let (kind, name) = match words {
        [word] => word.split_once('/').map_or((None, word.as_str()), |(kind, name)| (Some(kind), name)),
        [kind, name] => (Some(kind.as_str()), name.as_str()),
        _ => return Err(wrong(format!("this takes one {}", names.kind))),
    };
    let known = [short.clone(), names.plural.clone(), names.kind.to_lowercase()];
    if let Some(kind) = kind.filter(|kind| !is_one_of(&known, kind)) {
        return Err(wrong(format!("{kind:?} is not the type of Slipway's {}", names.kind)));
    }
    check(name).map_err(|problem| wrong(format!("no {} can be named {name:?}: {problem}", names.kind)))
}

/// A type as kubectl takes it: one of its words, alone or with its group, or with version and group.
fn is_one_of(words: &[String], kind: &str) -> bool {
    let kind = kind.to_lowercase();
    let (word, group) = kind.split_once('.').map_or((kind.as_str(), None), |(word, group)| (word, Some(group)));
    let ours =
        |group: &str| group.strip_prefix(VERSION).and_then(|rest| rest.strip_prefix('.')).unwrap_or(group) == GROUP;
    words.iter().any(|known| known == word) && group.is_none_or(ours)
}

/// The name of any object: labels joined by dots.
pub(super) fn object(text: &str) -> Result<String, String> {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let part =
        |part: &str| part.chars().all(|c| inside(c) || c == '-') && part.starts_with(inside) && part.ends_with(inside);
    if text.len() <= OBJECT_MAX && text.split('.').all(part) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "it must be 1 to {OBJECT_MAX} lower-case letters, digits, '-' or '.', starting and ending with a letter or digit"
    ))
}

/// The name of a namespace.
pub(super) fn namespace(text: &str) -> Result<String, String> {
    text.parse::<EnvironmentName>().map(String::from).map_err(|error| format!("a namespace {}", error.problem))
}

/// A name of the domain's, by its own rule.
pub(super) fn of<T>(text: &str) -> Result<String, String>
where
    T: FromStr<Err = NameError>,
{
    text.parse::<T>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// What someone says about what they do.
pub(super) fn note(text: &str) -> Result<String, String> {
    of::<Note>(text).map_err(|problem| format!("{problem}: say why in a sentence, for whoever reads the history"))
}

/// What someone says about a change: its risk, the way back.
pub(super) fn prose(text: &str) -> Result<String, String> {
    text.parse::<Note>().map(String::from).map_err(|error| format!("the text {}", error.problem))
}

/// Whom to act as, or a group to be in.
pub(super) fn subject(text: &str) -> Result<String, String> {
    text.parse::<Actor>().map(String::from).map_err(|error| format!("the name {}", error.problem))
}

/// A person whom a request names.
pub(super) fn person(text: &str) -> Result<String, String> {
    Actor::person(text).map(String::from).map_err(|error| format!("the name {}", error.problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(line: &str) -> Result<String, Failure> {
        OfDeployment { deployment: line.split(' ').map(str::to_owned).collect() }.read()
    }

    #[test]
    fn a_name_may_have_its_type_and_no_other() {
        for line in [
            "web-v1",
            "slipd/web-v1",
            "deployment/web-v1",
            "Deployment web-v1",
            "deployments.slipway.dev/web-v1",
            "deployment.slipway.dev web-v1",
            "deployments.v1alpha1.slipway.dev/web-v1",
        ] {
            assert_eq!(deployment(line).unwrap(), "web-v1", "{line}");
        }
        for line in ["deploy/web", "dep web", "deployment.apps/web", "slipe/web", "pod web", "/web", "a b c"] {
            let said = deployment(line).unwrap_err().to_string();
            assert!(said.ends_with("next: write it as NAME, slipd/NAME or deployments.slipway.dev/NAME"), "{said}");
        }
    }

    #[test]
    fn what_is_no_name_never_reaches_an_address() {
        for bad in ["", "a?b", "a#b", "a%2Fb", "slipd/a/b", "..", ".", "A", "a_b", "-a", "a.", &"a".repeat(254)] {
            assert!(matches!(deployment(bad), Err(Failure::Usage(_))), "{bad}");
        }
        assert_eq!(deployment("web.v1").unwrap(), "web.v1");
        let environment = |name: &str| OfEnvironment { environment: vec![name.to_owned()] }.read();
        assert_eq!(environment("slipe/prod").unwrap(), "prod");
        assert!(environment("pr.od").is_err() && environment("slipd/prod").is_err());
        assert!(namespace("shop").is_ok() && namespace("shop/x").is_err() && namespace("").is_err());
    }

    #[test]
    fn a_note_that_says_nothing_is_told_what_is_wanted() {
        assert_eq!(
            note(" ").unwrap_err(),
            "note must not be empty: say why in a sentence, for whoever reads the history"
        );
        assert!(subject("").is_err() && subject("a\nb").is_err() && person("controller").is_err());
    }
}
