//! `kubectl slipway reset`: an Environment is free again after an operation that failed.

use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use serde_json::json;
use slipway_crd::Environment;
use slipway_domain::code::Code;
use slipway_domain::environment::EnvironmentPhase;

use super::access::{Globals, object_name};
use super::decide::FIELD_MANAGER;
use super::output::{self, Output};
use super::waiting::{self, Patience};
use super::{refusal, seen};
use crate::{Failure, answer};

/// What frees an Environment.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The Environment.
    #[arg(value_name = "ENVIRONMENT", value_parser = object_name)]
    name: String,
    /// What was found, and why it may go on.
    #[arg(short = 'm', long, visible_alias = "message", value_name = "TEXT")]
    note: String,
    /// The failed operation that you looked at, by the uid of its Deployment; if another one failed, nothing is done.
    #[arg(long, value_name = "UID")]
    of: Option<String>,
    #[command(flatten)]
    patience: Patience,
    /// Print the object in this format, and nothing else.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

pub(super) async fn run(globals: &Globals, arguments: Arguments) -> Result<(), Failure> {
    let Arguments { name, note, of, patience, output } = arguments;
    let access = globals.open().await?;
    let doing = format!("reset environment {}/{name}", access.namespace);
    let api: Api<Environment> = access.api();
    let environment = refusal::asked(&doing, api.get(&name)).await?;
    let failed = environment.status.as_ref().and_then(|status| status.failed.as_ref());
    let Some(failed) = failed.map(|failed| failed.deployment_uid.clone()) else {
        let phase = environment.status.as_ref().map_or("not looked at yet", |status| status.phase.as_str());
        return Err(Failure::No(format!(
            "{doing}: no operation has failed in it, it is {phase} [{}]\nnext: `kubectl slipway inbox` shows what waits",
            Code::Conflict
        )));
    };
    if let Some(seen) = of.filter(|seen| *seen != failed) {
        return Err(Failure::No(format!(
            "{doing}: nothing was done: it is {failed} that failed, not {seen} [{}]\nnext: look at that one first",
            Code::Conflict
        )));
    }
    let actor = access.whoami().await?;
    if output.is_none() {
        answer(&format!("Environment {}/{name}\n  failed by    {}\n", access.namespace, who(&access, &failed).await))?;
    }
    let patch = json!({
        "metadata": {"resourceVersion": environment.resource_version()},
        "spec": {"reset": {"of": failed, "actor": actor, "note": note}},
    });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let resource = ApiResource::erase::<Environment>(&());
    let raw: Api<DynamicObject> = Api::namespaced_with(access.client.clone(), &access.namespace, &resource);
    let accepted = refusal::asked(&doing, raw.patch(&name, &params, &Patch::Merge(&patch))).await?;
    match output {
        Some(output) => {
            let object = serde_json::to_value(&accepted).unwrap_or_default();
            output::print(output, &output::bare(&object), &[output::environment(&name)])?;
        }
        None => answer(&format!(
            "{} reset by {actor}\nnext: once it is ready it takes Deployments again\n",
            output::environment(&name)
        ))?,
    }
    if !patience.wait {
        return Ok(());
    }
    let free = |environment: &Environment| {
        environment
            .status
            .as_ref()
            .filter(|status| status.failed.is_none() && status.phase != EnvironmentPhase::Failed)
            .map(|status| status.phase)
    };
    let phase = waiting::until(access.api::<Environment>(), &name, Some(patience.timeout), free).await?;
    if output.is_none() { answer(&format!("{} is {phase}\n", output::environment(&name))) } else { Ok(()) }
}

/// The failed Deployment, as a person knows it.
async fn who(access: &super::access::Access, uid: &str) -> String {
    let all = refusal::timed(access.api::<slipway_crd::Deployment>().list(&kube::api::ListParams::default())).await;
    let found = all.ok().and_then(|all| all.items.into_iter().find(|one| one.metadata.uid.as_deref() == Some(uid)));
    found.map_or_else(
        || format!("a Deployment that is gone ({uid})"),
        |one| {
            let wrong = one.status.as_ref().and_then(|status| status.diagnostics.as_ref());
            let wrong = wrong.map(|wrong| format!(": [{}] {}", wrong.code, wrong.message)).unwrap_or_default();
            super::table::plain(&format!("{} ({}){wrong}", one.name_any(), seen::phase(&one)))
        },
    )
}
