//! `slipway audit log`.

use std::collections::VecDeque;
use std::path::PathBuf;

use slipway_domain::event::Event;

use super::history;
use crate::{Failure, answer};

/// Which part of the history is shown.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The archive, or a copy of it. A controller may be running on it.
    #[arg(long, value_name = "FILE")]
    database: PathBuf,
    /// One Deployment or Environment only, by NAMESPACE/NAME or by its uid.
    #[arg(long, value_name = "NAMESPACE/NAME|UID")]
    resource: Option<String>,
    /// How many events to show at most: the newest ones. Left out: all.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

impl Arguments {
    /// The events of one resource, named as `NAMESPACE/NAME`.
    pub(crate) fn of(database: PathBuf, resource: String, limit: Option<u32>) -> Self {
        Self { database, resource: Some(resource), limit }
    }
}

pub(crate) fn run(Arguments { database, resource, limit }: Arguments) -> Result<(), Failure> {
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let asked = |event: &Event| {
        resource.as_ref().is_none_or(|asked| *asked == event.resource_name || asked == event.resource_id.as_str())
    };
    let mut shown = VecDeque::new();
    history::each(&database, |event| {
        if asked(&event) {
            if shown.len() == limit {
                shown.pop_front();
            }
            shown.push_back(event);
        }
    })?;
    if shown.is_empty() {
        let what = resource.map_or_else(|| "any events yet".to_owned(), |resource| format!("events of {resource}"));
        return Err(Failure::No(format!("{} does not hold {what}", database.display())));
    }
    answer(&table(&shown, resource.is_none()))
}

/// The columns in front of the note, which is last because it is as long as it is.
type Row = [String; 7];

/// The events as lines of columns; which resource they are about only where they are about several, or `all` are shown.
pub(crate) fn table(events: &VecDeque<Event>, all: bool) -> String {
    let several = all || events.iter().any(|event| event.resource_id != events[0].resource_id);
    let mut rows = vec![["SEQ", "WHEN", "RESOURCE", "WHO", "ACTION", "STATUS", "NOTE"].map(str::to_owned)];
    rows.extend(events.iter().map(row));
    let shown = |column: usize| several || column != 2;
    let widths: [usize; 7] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let line = |row: &Row| {
        let cells = (0..7).filter(|column| shown(*column)).map(|column| format!("{:<1$}", row[column], widths[column]));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn row(event: &Event) -> Row {
    [
        event.seq.to_string(),
        format!("{:.0}", event.occurred_at),
        format!("{} {}", event.resource_type, event.resource_name),
        event.actor_id.to_string(),
        event.action.to_string(),
        event.status.clone(),
        note(event),
    ]
    .map(|cell| printable(&cell))
}

/// What a person would want to know beyond the columns: what someone said, what went wrong, or what it was about.
fn note(event: &Event) -> String {
    let detail = |key: &str| event.detail.get(key).map(String::as_str).filter(|text| !text.is_empty());
    let code = detail("code").map(|code| format!("[{code}]"));
    let said = detail("note").or_else(|| detail("message")).or_else(|| detail("summary")).or_else(|| detail("reason"));
    let about = match (said, detail("operation"), detail("to"), detail("written"), detail("pruned")) {
        (Some(said), ..) => said.to_owned(),
        (None, Some(operation), ..) => format!("{operation} {}", detail("release").unwrap_or_default()),
        (None, None, Some(to), ..) => format!("to {to}"),
        (None, None, None, Some(written), Some(pruned)) => format!("{written} written, {pruned} pruned"),
        (None, None, None, ..) => String::new(),
    };
    let risk = detail("risk").map(|risk| format!("(risk: {risk})"));
    let parts = [code, Some(about), risk];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// One line without anything that a terminal would obey: notes come from whoever wrote them.
pub(crate) fn printable(text: &str) -> String {
    let obeyed = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let plain: String = text.chars().map(|c| if obeyed(c) { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}
