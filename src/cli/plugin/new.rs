//! `kubectl slipway new`: a Deployment from flags, to be read, kept in a repository, and applied.

use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, PostParams};
use serde_json::{Map, Value, json};

use super::access::Globals;
use super::decide::FIELD_MANAGER;
use super::output::{self, Output};
use super::{refusal, seen};
use crate::{Failure, answer};

/// What is asked for.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("operation").required(true))]
pub(super) struct Arguments {
    /// The name of the Deployment.
    name: String,
    /// The service that is changed.
    #[arg(long)]
    service: String,
    /// The Environment it is changed in.
    #[arg(short, long, value_name = "NAME")]
    environment: String,
    /// Put this Release in place.
    #[arg(long, value_name = "NAME", group = "operation")]
    release: Option<String>,
    /// Record this version, where people do the work.
    #[arg(long, value_name = "VERSION", group = "operation")]
    version: Option<String>,
    /// Go back to this older Release.
    #[arg(long, value_name = "NAME", group = "operation")]
    back_to: Option<String>,
    /// The work that this belongs to, a link or a number; may be repeated.
    #[arg(long = "work", value_name = "REFERENCE", required = true)]
    work: Vec<String>,
    /// What is done should this turn out badly.
    #[arg(long, value_name = "TEXT")]
    rollback_plan: String,
    /// What could go wrong. A production Environment asks for it.
    #[arg(long, value_name = "TEXT")]
    risk: Option<String>,
    /// Who wants it; left out: whoever creates it.
    #[arg(long, value_name = "USER")]
    requester: Option<String>,
    /// A value for `${NAME}` in the release; may be repeated. No secrets: everyone who sees the object sees it.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    variables: Vec<(String, String)>,
    /// Create it, instead of printing it.
    #[arg(long)]
    apply: bool,
    /// Print it in this format; left out: as YAML, and of what was created the name.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) async fn run(globals: &Globals, arguments: Arguments) -> Result<(), Failure> {
    let (name, apply, output) = (arguments.name.clone(), arguments.apply, arguments.output);
    let mut object = object(arguments);
    if !apply {
        if let Some(namespace) = globals.namespace() {
            object["metadata"]["namespace"] = namespace.into();
        }
        return output::print(output.unwrap_or(Output::Yaml), &object, &[output::deployment(&name)]);
    }
    let access = globals.open().await?;
    object["metadata"]["namespace"] = access.namespace.as_str().into();
    let doing = format!("creating {}/{name}", access.namespace);
    let object: DynamicObject =
        serde_json::from_value(object).map_err(|error| Failure::Usage(format!("{doing}: {error}")))?;
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let api: Api<DynamicObject> = seen::Seen::api(&access);
    let created = refusal::asked(&doing, api.create(&params, &object)).await?;
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
        let variables: Map<String, Value> = variables.into_iter().map(|(name, value)| (name, value.into())).collect();
        spec["variables"] = variables.into();
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
    fn exactly_one_operation_is_asked_for() {
        let rest = ["new", "a", "--service", "web", "-e", "e", "--work", "1", "--rollback-plan", "x"];
        assert!(Line::try_parse_from(rest).is_err());
        let both = ["--release", "a", "--back-to", "b"];
        assert!(Line::try_parse_from(rest.into_iter().chain(both)).is_err());
        assert!(Line::try_parse_from(rest.into_iter().chain(["--version", "1.2"])).is_ok());
    }
}
