//! `kubectl slipway watch`: what happens to a Deployment, as it happens, until it ends.

use std::time::Duration;

use slipway_crd::Deployment;
use slipway_domain::event::Event;

use super::access::{Globals, object_name};
use super::end::{self, End};
use super::paint::Paint;
use super::table::plain;
use super::{card, clock, seen, waiting};
use crate::{Failure, answer};

/// What is followed.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The Deployment.
    #[arg(value_name = "DEPLOYMENT", value_parser = object_name)]
    name: String,
    /// How long at most, as 30s, 5m or 1h; left out: until it ends.
    #[arg(long, value_name = "DURATION", value_parser = clock::period)]
    timeout: Option<Duration>,
}

pub(super) async fn run(globals: &Globals, Arguments { name, timeout }: Arguments) -> Result<(), Failure> {
    let access = globals.open().await?;
    let paint = Paint::stdout();
    let mut told = Told::default();
    let look = |object: &Deployment| {
        let said = answer(&told.news(object, paint));
        match said {
            Err(failure) => Some(Err(failure)),
            Ok(()) => end::of(object).map(|end| Ok((end, object.clone()))),
        }
    };
    let (end, object) = waiting::until(access.api(), &name, timeout, look).await??;
    match end {
        End::Well => Ok(()),
        End::Badly => {
            let wrong = object.status.as_ref().and_then(|status| status.diagnostics.as_ref());
            let code = wrong.map(|wrong| format!(" [{}]", wrong.code)).unwrap_or_default();
            let why = wrong.map(|wrong| wrong.message.as_str());
            let why = why.or_else(|| seen::condition(&object, "Ready").map(|(_, message)| message));
            let why = why.filter(|why| !why.is_empty()).map(|why| format!(": {}", plain(why))).unwrap_or_default();
            let (phase, namespace) = (seen::phase(&object), &access.namespace);
            Err(Failure::No(format!(
                "{namespace}/{name} ended as {phase}{code}{why}\n\
                 next: `kubectl slipway history -n {namespace} {name}` shows how it came to that"
            )))
        }
    }
}

/// What has been told already.
#[derive(Debug, Default)]
struct Told {
    seq: u64,
    standing: String,
}

impl Told {
    /// What is new about it, as lines.
    fn news(&mut self, object: &Deployment, paint: Paint) -> String {
        let Some(status) = &object.status else { return String::new() };
        let mut text = String::new();
        for event in status.audit.journal.iter().filter(|event| event.seq > self.seq) {
            text.push_str(&line(event, paint));
        }
        self.seq = self.seq.max(status.audit.seq);
        let step = status.step.map(|step| format!(", {}", card::step(step))).unwrap_or_default();
        let waits = seen::condition(object, "Ready").filter(|(_, message)| !message.is_empty());
        let waits = waits.map(|(reason, message)| format!("  {reason}: {}", plain(message))).unwrap_or_default();
        let standing = format!("{}{step}{waits}\n", card::phase(status.phase, paint));
        if standing != self.standing {
            text.push_str(&standing);
            self.standing = standing;
        }
        text
    }
}

fn line(event: &Event, paint: Paint) -> String {
    let note = event.detail.get("note").or_else(|| event.detail.get("message"));
    let note = note.map(|note| format!(": {}", plain(note))).unwrap_or_default();
    let when = paint.dim(&format!("{:.0}", event.occurred_at));
    format!("{when}  {} by {}{note}\n", event.action, plain(event.actor_id.as_str()))
}
