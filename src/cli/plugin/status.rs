//! `kubectl slipway status`: a Deployment, the Environment, and what runs there of its service.

use kube::api::Api;
use serde_json::{Value, json};
use slipway_crd::Environment;
use slipway_crd::target::Runtime;

use super::access::{Access, Globals};
use super::name::OfDeployment;
use super::object_tree::{self, Found};
use super::output::{self, Output};
use super::paint::Paint;
use super::seen::{self, Seen};
use super::table::plain;
use super::tree::Node;
use super::{card, clock, refusal};
use crate::{Failure, answer};

/// What is shown.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    deployment: OfDeployment,
    /// Print it in this format.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

/// The Environment, and the objects of the service in it; or why they cannot be shown.
struct Place {
    environment: Result<Environment, String>,
    objects: Vec<Found>,
}

pub(super) async fn run(globals: &Globals, Arguments { deployment, output }: Arguments) -> Result<(), Failure> {
    let name = deployment.read()?;
    let access = globals.open().await?;
    let seen = Seen::read(&access, &name).await?;
    let place = place(&access, &seen).await;
    if let Some(output) = output {
        let environment = place.environment.as_ref().ok().map(|environment| json!(environment.status));
        let objects: Vec<Value> = place.objects.iter().map(Found::json).collect();
        let all = json!({
            "deployment": output::bare(&seen.raw), "environment": environment.unwrap_or_default(), "objects": objects,
        });
        return output::print(output, &all, &[output::deployment(&name)]);
    }
    answer(&tree(&seen, &place, Paint::stdout()).text())
}

async fn place(access: &Access, seen: &Seen) -> Place {
    let name = &seen.object.spec.environment_ref.name;
    let api: Api<Environment> = access.api();
    let environment = refusal::asked(&format!("reading environment {name}"), api.get(name)).await;
    let environment = environment.map_err(|failure| failure.to_string());
    let mut objects = Vec::new();
    if let Ok(read) = &environment
        && let Runtime::K8s(runtime) = &read.spec.runtime
    {
        let services = read.status.iter().flat_map(|status| &status.services);
        for service in services.filter(|service| service.service == seen.object.spec.service) {
            objects.extend(object_tree::read(&access.client, &runtime.namespace, &service.inventory).await);
        }
    }
    Place { environment, objects }
}

fn tree(seen: &Seen, place: &Place, paint: Paint) -> Node {
    let now = clock::now();
    let heading = format!("Deployment {}", seen.name());
    let mut root = Node::new(format!("{}  {}", paint.bold(&heading), card::phase(seen.phase(), paint)));
    if let Some(status) = seen.status() {
        if let Some(step) = status.step {
            root.line(format!("step {}", paint.cyan(card::step(step))));
        }
        if let Some(wrong) = &status.diagnostics {
            root.line(paint.red(&plain(&format!("[{}] {}", wrong.code, wrong.message))));
        }
        if let Some(attempt) = &status.attempt {
            let began = clock::relative(attempt.started_at, now);
            root.line(format!("attempt {} of {}, {began}: {}", attempt.number, attempt.kind, plain(&attempt.id)));
        }
        if let Some(rollback) = &status.rollback {
            root.add(card::rollback(&seen.object, rollback, now, paint));
        }
        if status.break_glass == Some(slipway_crd::deployment_status::Glass::Unreviewed) {
            root.line(paint.red("it went ahead without review, and nobody has looked at it since"));
        }
        let mut conditions = Node::new("conditions");
        for condition in &status.conditions {
            let is = match condition.status.as_str() {
                "True" => paint.green("True"),
                other => other.to_owned(),
            };
            let since = clock::relative(condition.last_transition_time.0, now);
            let message = Some(&condition.message).filter(|message| !message.is_empty());
            let message = message.map(|message| format!(": {}", plain(message))).unwrap_or_default();
            conditions.line(format!("{} {is}  {}, {since}{message}", condition.type_, condition.reason));
        }
        root.add(conditions);
    }
    root.add(environment(seen, place, paint));
    root
}

fn environment(seen: &Seen, place: &Place, paint: Paint) -> Node {
    let name = &seen.object.spec.environment_ref.name;
    let read = match &place.environment {
        Ok(read) => read,
        Err(why) => return Node::new(format!("environment {name}: {}", plain(why))),
    };
    let Some(status) = &read.status else { return Node::new(format!("environment {name}: not looked at yet")) };
    let (phase, readiness) = (status.phase.as_str(), status.readiness.as_str());
    let tier = read.spec.tier.as_str();
    let mut node = Node::new(format!("{}  {tier}, {phase}, {readiness}", paint.bold(&format!("environment {name}"))));
    if !status.readiness_message.is_empty() {
        node.line(plain(&status.readiness_message));
    }
    let service = &seen.object.spec.service;
    let running = status.services.iter().find(|entry| entry.service == *service);
    let current = running.and_then(|entry| entry.current_release.as_ref());
    let words = current.map_or_else(
        || "nothing runs".to_owned(),
        |current| {
            let own = seen.object.metadata.uid.as_deref() == Some(current.deployment_uid.as_str());
            let whose = if own { ", brought by this Deployment" } else { "" };
            format!("runs release {} ({}){whose}", plain(&current.name), current.health.as_str())
        },
    );
    let mut branch = Node::new(format!("service {service}: {words}"));
    place.objects.iter().for_each(|object| branch.add(object.node(paint)));
    node.add(branch);
    if let Some((reason, _)) = seen::condition(&seen.object, "Ready").filter(|(reason, _)| *reason == "Queued") {
        node.line(paint.yellow(&format!("{reason}: another Deployment is at work here")));
    }
    node
}
