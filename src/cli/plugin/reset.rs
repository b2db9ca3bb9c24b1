//! `kubectl slipway reset`: an Environment is free again after an operation that failed.

use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use serde_json::json;
use slipway_crd::{Deployment, Environment};
use slipway_domain::code::Code;
use slipway_domain::environment::EnvironmentPhase;

use super::access::{Access, Globals};
use super::asked::Reason;
use super::name::OfEnvironment;
use super::output::{self, Output};
use super::table::plain;
use super::waiting::{self, Patience};
use super::{prompt, refusal, seen};
use crate::{Failure, answer};

/// What frees an Environment.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    environment: OfEnvironment,
    #[command(flatten)]
    reason: Reason,
    /// Do not ask. Where nobody can be asked, because this is no terminal, it goes on without asking.
    #[arg(short, long)]
    yes: bool,
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
    let Arguments { environment, reason: Reason { note }, yes, of, patience, output } = arguments;
    let name = environment.read()?;
    let access = globals.open().await?;
    let doing = format!("reset environment {}/{name}", access.namespace);
    let api: Api<Environment> = access.api();
    let environment = refusal::asked(&doing, api.get(&name)).await?;
    let failed = environment.status.as_ref().and_then(|status| status.failed.as_ref());
    let Some(failed) = failed.map(|failed| failed.deployment_uid.clone()) else {
        let phase = environment.status.as_ref().map_or("not looked at yet", |status| status.phase.as_str());
        return Err(Failure::No(format!(
            "{doing}: no operation has failed in it, it is {phase} [{}]\nnext: `kubectl slipway inbox -n {}` shows what waits",
            Code::Conflict,
            access.namespace
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
    prompt::at_terminal(&format!("{doing} as {actor}?"), yes)?;
    let patch = json!({
        "metadata": {"resourceVersion": environment.resource_version()},
        "spec": {"reset": {"of": failed, "actor": actor, "note": note}},
    });
    let accepted = access.say::<Environment>(&name, &patch).await.map_err(|error| refusal::said(&doing, &error))?;
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
async fn who(access: &Access, uid: &str) -> String {
    let all = refusal::timed(access.api::<Deployment>().list(&ListParams::default())).await;
    let found = all.ok().and_then(|all| all.items.into_iter().find(|one| one.metadata.uid.as_deref() == Some(uid)));
    found.map_or_else(
        || format!("a Deployment that is gone ({uid})"),
        |one| {
            let wrong = one.status.as_ref().and_then(|status| status.diagnostics.as_ref());
            let wrong = wrong.map(|wrong| format!(": [{}] {}", wrong.code, wrong.message)).unwrap_or_default();
            plain(&format!("{} ({}){wrong}", one.name_any(), seen::phase(&one)))
        },
    )
}
