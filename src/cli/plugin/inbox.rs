//! `kubectl slipway inbox`: what waits for someone, the most urgent first.

mod item;

use std::collections::HashMap;

use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use slipway_crd::{Deployment, parse};
use slipway_domain::admission::Verb;
use slipway_domain::environment::Environment;

use super::access::{Access, Globals};
use super::output::{self, ListOutput};
use super::paint::Paint;
use super::table::Table;
use super::{card, clock, refusal};
use crate::{Failure, answer};
use item::Item;

/// What is listed.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct Arguments {
    /// In all namespaces.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Everything that waits for someone. This is what is listed when nothing else is asked.
    #[arg(long, group = "which")]
    pending: bool,
    /// Only what waits for a decision that you may take.
    #[arg(long, group = "which")]
    mine: bool,
    /// Also what has been decided.
    #[arg(long, group = "which")]
    all: bool,
    /// Print the list in this format.
    #[arg(short, long, value_enum)]
    output: Option<ListOutput>,
}

pub(super) async fn run(globals: &Globals, arguments: Arguments) -> Result<(), Failure> {
    // What is pending is what is left when neither of the others is asked for.
    let Arguments { all_namespaces, pending: _, mine, all, output } = arguments;
    let access = globals.open().await?;
    let caller = access.whoami().await?;
    let deployments: Vec<Deployment> = listed(access.some(all_namespaces), "listing Deployments").await?;
    let places = places(&access, all_namespaces).await;
    let mut items: Vec<Item> = deployments
        .iter()
        .filter_map(|deployment| {
            let place = places.get(&place(deployment));
            if all { item::any(deployment, place) } else { item::waiting(deployment, place) }
        })
        .collect();
    items.extend(places.values().filter(|place| abandoned(place, &deployments)).map(item::left_behind));
    let mut rights = HashMap::new();
    for item in &mut items {
        let Some(verb) = item.verb() else { continue };
        let key = (item.namespace.clone(), item.environment.clone(), verb.as_str());
        let held = if let Some(held) = rights.get(&key) {
            *held
        } else {
            let held = access.may(verb, &item.namespace, &item.environment).await?;
            rights.insert(key, held);
            held
        };
        item.mine = held && item.open_to(&caller);
    }
    items.retain(|item| !mine || item.mine);
    items.sort_by_key(Item::urgency);
    if let Some(output) = output.and_then(ListOutput::machine) {
        let names: Vec<String> = items.iter().map(|item| item.object.clone()).collect();
        return output::print(output, &output::list(&items.iter().map(Item::json).collect::<Vec<_>>()), &names);
    }
    if items.is_empty() {
        let place = if all_namespaces { "any namespace".to_owned() } else { format!("namespace {}", access.namespace) };
        let elsewhere = if all_namespaces || globals.namespace().is_some() {
            ""
        } else {
            " Is that the right namespace? -n names another, -A takes all of them."
        };
        eprintln!("Nothing waits for {} in {place}.{elsewhere}", if mine { "you" } else { "anyone" });
        return Ok(());
    }
    answer(&table(&items, all_namespaces, output == Some(ListOutput::Wide)).text(Paint::stdout()))
}

fn table(items: &[Item], everywhere: bool, wide: bool) -> Table {
    let now = clock::now();
    let mut heading = vec!["NAME", "WAITS FOR", "YOU", "ENVIRONMENT", "RELEASE", "REQUESTER", "RISK", "DUE", "EXPIRES"];
    if everywhere {
        heading.insert(0, "NAMESPACE");
    }
    if wide {
        heading.extend(["TICKET", "REF", "SUMMARY"]);
    }
    let mut table = Table::new(&heading);
    for item in items {
        let time = |at: Option<jiff::Timestamp>| at.map(|at| clock::relative(at, now)).unwrap_or_default();
        let mut row = vec![
            item.name.clone(),
            item.kind.words().to_owned(),
            if item.mine { "yes".to_owned() } else { String::new() },
            item.environment.clone(),
            item.release.clone(),
            item.requester.clone(),
            item.risk.clone(),
            time(item.due_at),
            time(item.expires_at),
        ];
        if everywhere {
            row.insert(0, item.namespace.clone());
        }
        if wide {
            row.extend([item.ticket.clone(), card::short(&item.reference), item.summary.clone()]);
        }
        table.row(&row);
    }
    table
}

/// Everything of a kind, page by page.
pub(super) async fn listed<K>(api: Api<K>, doing: &str) -> Result<Vec<K>, Failure>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut page = ListParams::default().limit(500);
    let mut all = Vec::new();
    loop {
        let list = refusal::asked(doing, api.list(&page)).await?;
        all.extend(list.items);
        match list.metadata.continue_ {
            Some(token) if !token.is_empty() => page.continue_token = Some(token),
            Some(_) | None => return Ok(all),
        }
    }
}

fn place(deployment: &Deployment) -> (String, String) {
    (deployment.namespace().unwrap_or_default(), deployment.spec.environment_ref.name.clone())
}

/// It waits to be freed, and what failed in it is not among the Deployments any more.
fn abandoned(place: &Environment, deployments: &[Deployment]) -> bool {
    let is = |failed: &str| deployments.iter().any(|deployment| deployment.metadata.uid.as_deref() == Some(failed));
    place.status.failed.as_ref().is_some_and(|failed| !is(failed.as_str()))
}

/// The Environments by name. Who may not read them sees neither the deadlines of rollbacks nor what has failed, and all the
/// rest.
async fn places(access: &Access, everywhere: bool) -> HashMap<(String, String), Environment> {
    let environments: Result<Vec<slipway_crd::Environment>, Failure> =
        listed(access.some(everywhere), "listing Environments").await;
    let environments = environments.unwrap_or_else(|failure| {
        eprintln!("warning: {failure}");
        Vec::new()
    });
    environments
        .iter()
        .filter_map(|wire| {
            let read = parse::environment(wire).ok()?;
            Some(((read.id.namespace.clone(), read.id.name.clone()), read))
        })
        .collect()
}

impl Item {
    fn json(&self) -> Value {
        json!({
            "namespace": self.namespace, "name": self.name, "object": self.object, "waitsFor": self.kind.words(), "mine": self.mine,
            "environment": self.environment, "release": self.release, "requester": self.requester, "risk": self.risk,
            "ref": self.reference, "ticket": self.ticket, "dueAt": self.due_at, "expiresAt": self.expires_at,
            "since": self.since, "summary": self.summary,
        })
    }

    /// The verb that whoever decides needs.
    fn verb(&self) -> Option<Verb> {
        self.kind.verb()
    }
}
