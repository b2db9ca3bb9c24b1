//! `kubectl slipway new`: a Deployment from flags, to be read, kept in a repository, and applied.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use slipway_crd::{Deployment, Environment, Release};
use slipway_domain::code::Code;
use slipway_domain::name::{EnvironmentName, ReleaseName, ServiceName};

use super::access::{Access, Globals};
use super::output::{self, Output};
use super::{name, refusal, variables};
use crate::{Failure, answer};

/// What is asked for.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("operation").required(true))]
pub(super) struct Arguments {
    /// The name of the Deployment.
    #[arg(value_parser = name::object)]
    name: String,
    /// The service that is changed.
    #[arg(long, value_name = "NAME", value_parser = name::of::<ServiceName>)]
    service: String,
    /// The Environment it is changed in.
    #[arg(short, long, value_name = "NAME", value_parser = name::of::<EnvironmentName>)]
    environment: String,
    /// Put this Release in place.
    #[arg(long, value_name = "NAME", group = "operation", value_parser = name::of::<ReleaseName>)]
    release: Option<String>,
    /// Record this version, where people do the work.
    #[arg(long, value_name = "VERSION", group = "operation")]
    version: Option<String>,
    /// Go back to this older Release.
    #[arg(long, value_name = "NAME", group = "operation", value_parser = name::of::<ReleaseName>)]
    back_to: Option<String>,
    /// The work that this belongs to, a link or a number; may be repeated.
    #[arg(long = "work", value_name = "REFERENCE", required = true)]
    work: Vec<String>,
    /// What is done should this turn out badly.
    #[arg(long, value_name = "TEXT", value_parser = name::prose)]
    rollback_plan: String,
    /// What could go wrong. A production Environment asks for it.
    #[arg(long, value_name = "TEXT", value_parser = name::prose)]
    risk: Option<String>,
    /// Who wants it; left out: whoever creates it.
    #[arg(long, value_name = "USER", value_parser = name::person)]
    requester: Option<String>,
    /// A value for `${NAME}` in the release; may be repeated. No secrets: everyone who sees the object sees it.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    variables: Vec<(String, String)>,
    /// Create it, instead of printing it. Environment and release have to be there then, and what the release asks for with
    /// `${NAME}` has to be given.
    #[arg(long)]
    apply: bool,
    /// Print it in this format; left out: as YAML, and of what was created the name.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !letters || name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(format!(
            "{name:?} cannot be asked for: a name is letters, digits or '_', and begins with no digit"
        ));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// An object that has to be there; None where only the API server may see it.
async fn there<K>(access: &Access, what: &str, name: &str) -> Result<Option<K>, Failure>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let namespace = &access.namespace;
    match refusal::timed(access.api::<K>().get(name)).await {
        Ok(object) => Ok(Some(object)),
        Err(error) if refusal::missing(&error) => Err(Failure::No(format!(
            "nothing was created: there is no {what} {name} in namespace {namespace} [{}]\nnext: create it first, or look with \
             `kubectl -n {namespace} get {}`, and mind the namespace (-n)",
            Code::NotFound,
            K::plural(&())
        ))),
        Err(error) => {
            eprintln!("warning: {}", refusal::said(&format!("reading {what} {name}"), &error));
            Ok(None)
        }
    }
}

/// Refuses what could never be previewed: what is named is not there, the release is of another service, or something that
/// it asks for cannot be given later.
async fn complete(access: &Access, asked: &Arguments) -> Result<(), Failure> {
    there::<Environment>(access, "Environment", &asked.environment).await?;
    let Some(name) = asked.release.as_ref().or(asked.back_to.as_ref()) else { return Ok(()) };
    let Some(release) = there::<Release>(access, "Release", name).await? else { return Ok(()) };
    if release.spec.service != asked.service {
        return Err(Failure::Usage(format!(
            "nothing was created: release {name} is of service {}, not of {}\nnext: repeat with --service {0}, or with a \
             release of service {1}",
            release.spec.service, asked.service
        )));
    }
    let given: BTreeMap<String, String> = asked.variables.iter().cloned().collect();
    let Some(missing) = variables::missing(&release, &given) else { return Ok(()) };
    Err(Failure::Usage(format!("nothing was created: {}\nnext: repeat with {}", missing.sentence, missing.flags)))
}

/// What a person reads where it was not created.
fn refused(access: &Access, name: &str, error: &kube::Error) -> Failure {
    let doing = format!("creating {}/{name}", access.namespace);
    if !refusal::conflict(error) {
        return refusal::said(&doing, error);
    }
    Failure::No(format!(
        "{doing}: nothing was created: there is a Deployment of this name [{}]\nnext: take another name; `kubectl slipway \
         status -n {} {name}` shows the one that is there",
        Code::Conflict,
        access.namespace
    ))
}

pub(super) async fn run(globals: &Globals, arguments: Arguments) -> Result<(), Failure> {
    let (name, apply, output) = (arguments.name.clone(), arguments.apply, arguments.output);
    if !apply {
        let mut object = object(arguments);
        if let Some(namespace) = globals.namespace() {
            object["metadata"]["namespace"] = namespace.into();
        }
        return output::print(output.unwrap_or(Output::Yaml), &object, &[output::deployment(&name)]);
    }
    let access = globals.open().await?;
    complete(&access, &arguments).await?;
    let mut object = object(arguments);
    object["metadata"]["namespace"] = access.namespace.as_str().into();
    let object: DynamicObject = serde_json::from_value(object)
        .map_err(|error| Failure::Usage(format!("creating {}/{name}: {error}", access.namespace)))?;
    let created = access.create::<Deployment>(&object).await.map_err(|error| refused(&access, &name, &error))?;
    let who = format!("-n {} {name}", access.namespace);
    match output {
        Some(output) => {
            let created = serde_json::to_value(&created).unwrap_or_default();
            output::print(output, &output::bare(&created), &[output::deployment(&name)])
        }
        None => answer(&format!(
            "{} created\nnext: look at what it would change: `kubectl slipway preview {who}`\n",
            output::deployment(&created.name_any())
        )),
    }
}

/// The Deployment that the flags describe. Everything else about it is the API server's to say.
fn object(arguments: Arguments) -> Value {
    let Arguments {
        name,
        service,
        environment,
        release,
        version,
        back_to,
        work,
        rollback_plan,
        risk,
        requester,
        variables,
        apply: _,
        output: _,
    } = arguments;
    let deploy = release.map(|name| json!({"deploy": {"releaseRef": {"name": name}}}));
    let deploy = deploy.or_else(|| version.map(|version| json!({"deploy": {"version": version}})));
    let operation = deploy.or_else(|| back_to.map(|name| json!({"rollback": {"toReleaseRef": {"name": name}}})));
    let mut spec = json!({
        "service": service, "environmentRef": {"name": environment}, "operation": operation,
        "workReferences": work, "rollbackPlan": rollback_plan,
    });
    let optional = [("risk", risk), ("requester", requester)];
    for (field, value) in optional.into_iter().filter_map(|(field, value)| Some((field, value?))) {
        spec[field] = value.into();
    }
    if !variables.is_empty() {
        spec["variables"] = json!(variables.into_iter().collect::<BTreeMap<_, _>>());
    }
    let version = format!("{}/{}", slipway_crd::GROUP, slipway_crd::VERSION);
    json!({"apiVersion": version, "kind": "Deployment", "metadata": {"name": name}, "spec": spec})
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn flags_become_a_deployment() {
        let line = [
            "new",
            "web-v2",
            "--service",
            "web",
            "-e",
            "production",
            "--release",
            "web-v2",
            "--work",
            "12",
            "--work",
            "13",
            "--rollback-plan",
            "Re-apply web-v1",
            "--risk",
            "none: additive",
            "--var",
            "URL=http://a/?b=c",
        ];
        let object = object(Line::try_parse_from(line).unwrap().arguments);
        let text = output::text(Output::Yaml, &object, &[]).unwrap();
        let read: Value = serde_yaml::from_str(&text).unwrap();
        let spec = json!({
            "service": "web", "environmentRef": {"name": "production"},
            "operation": {"deploy": {"releaseRef": {"name": "web-v2"}}}, "workReferences": ["12", "13"],
            "rollbackPlan": "Re-apply web-v1", "risk": "none: additive", "variables": {"URL": "http://a/?b=c"},
        });
        let version = "slipway.dev/v1alpha1";
        let wanted = json!({"apiVersion": version, "kind": "Deployment", "metadata": {"name": "web-v2"}, "spec": spec});
        assert_eq!(read, wanted, "{text}");
        serde_json::from_value::<slipway_crd::Deployment>(read).unwrap();
    }

    #[test]
    fn a_variable_has_a_name_that_a_release_can_ask_for() {
        assert_eq!(variable("LOG_LEVEL=a=b"), Ok(("LOG_LEVEL".to_owned(), "a=b".to_owned())));
        for wrong in ["A", "=x", "1A=x", "A-B=x", "Ä=x"] {
            assert!(variable(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn exactly_one_operation_is_asked_for() {
        let rest = ["new", "a", "--service", "web", "-e", "e", "--work", "1", "--rollback-plan", "x"];
        assert!(Line::try_parse_from(rest).is_err());
        let both = ["--release", "a", "--back-to", "b"];
        assert!(Line::try_parse_from(rest.into_iter().chain(both)).is_err());
        assert!(Line::try_parse_from(rest.into_iter().chain(["--version", "1.2"])).is_ok());
    }
}
