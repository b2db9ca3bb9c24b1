//! `kubectl slipway watch`: what happens to a Deployment, as it happens, until it ends or people have to act.

use std::time::Duration;

use slipway_crd::Deployment;
use slipway_domain::event::Event;

use super::access::Globals;
use super::end::{self, End};
use super::name::OfDeployment;
use super::paint::Paint;
use super::table::plain;
use super::{card, clock, hint, seen, waiting};
use crate::{Failure, answer};

/// What is followed.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    deployment: OfDeployment,
    /// How long at most, as 30s, 5m or 1h; left out: until it ends.
    #[arg(long, value_name = "DURATION", value_parser = clock::period)]
    timeout: Option<Duration>,
}

pub(super) async fn run(globals: &Globals, Arguments { deployment, timeout }: Arguments) -> Result<(), Failure> {
    let name = deployment.read()?;
    let access = globals.open().await?;
    let paint = Paint::stdout();
    let mut told = Told::default();
    let look = |object: &Deployment| {
        let said = answer(&told.news(object, paint));
        match said {
            Err(failure) => Some(Err(failure)),
            Ok(()) => match end::of(object) {
                Some(End::Well) => Some(Ok(())),
                Some(End::Badly) => Some(Err(badly(object))),
                None => end::stalled(object).or_else(|| end::waits_for_people(object)).map(Err),
            },
        }
    };
    waiting::until(access.api(), &name, timeout, look).await?
}

/// How it ended, why, and what to do.
fn badly(object: &Deployment) -> Failure {
    let wrong = object.status.as_ref().and_then(|status| status.diagnostics.as_ref());
    let code = wrong.map(|wrong| format!(" [{}]", wrong.code)).unwrap_or_default();
    let why = wrong.map(|wrong| wrong.message.as_str());
    let why = why.or_else(|| seen::condition(object, "Ready").map(|(_, message)| message));
    let why = why.filter(|why| !why.is_empty()).map(|why| format!(": {}", plain(why))).unwrap_or_default();
    let next =
        wrong.and_then(|wrong| hint::of(&wrong.code, object)).map(|next| format!("; {next}")).unwrap_or_default();
    Failure::No(format!(
        "{} ended as {}{code}{why}\nnext: `kubectl slipway history {}` shows how it came to that{next}",
        seen::full_name(object),
        seen::phase(object),
        seen::who(object)
    ))
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
