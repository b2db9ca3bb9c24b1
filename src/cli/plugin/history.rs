//! `kubectl slipway history`: who did what and when, as far as the cluster knows, or all of it from the archive.

use std::collections::VecDeque;
use std::path::PathBuf;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event as Notice;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use serde_json::json;
use slipway_domain::event::Event;

use super::access::Globals;
use super::name::OfDeployment;
use super::output::{self, Output};
use super::paint::Paint;
use super::refusal;
use super::seen::Seen;
use super::table::Table;
use crate::audit::log;
use crate::{Failure, answer};

/// Whose history.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    deployment: OfDeployment,
    /// The archive, or a copy of it: it has everything, also of what is deleted. No cluster is asked.
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// How many events to show at most, from the archive: the newest ones.
    #[arg(long, value_name = "N", requires = "database", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Print what the cluster has in this format.
    #[arg(short, long, value_enum, conflicts_with = "database")]
    output: Option<Output>,
}

pub(super) async fn run(globals: &Globals, arguments: Arguments) -> Result<(), Failure> {
    let Arguments { deployment, database, limit, output } = arguments;
    let name = deployment.read()?;
    if let Some(database) = database {
        let namespace = match globals.namespace() {
            Some(namespace) => namespace.to_owned(),
            None => globals.open().await?.namespace,
        };
        return log::run(log::Arguments::of(database, format!("{namespace}/{name}"), limit));
    }
    let access = globals.open().await?;
    let seen = Seen::read(&access, &name).await?;
    let journal: VecDeque<Event> = seen.status().map(|status| status.audit.journal.clone().into()).unwrap_or_default();
    let uid = seen.object.uid().unwrap_or_default();
    let about = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
    let api: Api<Notice> = access.api();
    let notices = match refusal::timed(api.list(&about)).await {
        Ok(notices) => notices.items,
        Err(error) => {
            eprintln!("warning: {}", refusal::said("reading Events", &error));
            Vec::new()
        }
    };
    if let Some(output) = output {
        let notices: Vec<_> = notices.iter().map(|notice| output::bare(&json!(notice))).collect();
        return output::print(output, &json!({"journal": journal, "events": notices}), &[output::deployment(&name)]);
    }
    let first = journal.front().map_or(1, |event| event.seq);
    let older = older(&notices, journal.front().map(|event| event.occurred_at));
    if !older.is_empty() {
        let mut table = Table::new(&["WHEN", "EVENT", "NOTE"]);
        for row in older {
            table.row(&row);
        }
        answer(&format!("{}\n", table.text(Paint::stdout())))?;
    }
    if journal.is_empty() {
        return answer("Nothing is recorded yet.\n");
    }
    answer(&log::table(&journal, false))?;
    if first > 1 {
        eprintln!("the object keeps its newest events, from {first} on; the archive has all: --database FILE");
    }
    Ok(())
}

/// The Events from before the journal begins, oldest first.
fn older(notices: &[Notice], begins: Option<Timestamp>) -> Vec<Vec<String>> {
    let at = |notice: &Notice| {
        let exactly = notice.event_time.as_ref().map(|time| time.0);
        exactly.or_else(|| notice.first_timestamp.as_ref().map(|time| time.0))
    };
    let mut all: Vec<(Timestamp, &Notice)> =
        notices.iter().filter_map(|notice| at(notice).map(|at| (at, notice))).collect();
    // Announced right after it happened: what is as old as the journal is in it.
    all.retain(|(at, _)| begins.is_none_or(|begins| *at < begins));
    all.sort_by_key(|(at, _)| *at);
    let row = |(at, notice): (Timestamp, &Notice)| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![format!("{at:.0}"), text(&notice.reason), text(&notice.message)]
    };
    all.into_iter().map(row).collect()
}
