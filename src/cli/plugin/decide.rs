//! A decision from end to end: show what is decided, ask, add the entry, and say what follows.
//!
//! Between showing and sending the object may change. It is sent only over the version that was read; after a conflict it
//! is read again, and sent again only if what was shown still stands.

use kube::api::{DynamicObject, Patch, PatchParams};
use slipway_domain::code::Code;

use super::access::{Access, Globals, object_name};
use super::intent::{Entry, Intent};
use super::output::{self, Output};
use super::paint::Paint;
use super::seen::{self, Seen};
use super::waiting::Patience;
use super::{card, clock, next, prompt, refusal, waiting};
use crate::{Failure, answer};

/// The field manager of every entry.
pub(super) const FIELD_MANAGER: &str = "kubectl-slipway";
/// How often a decision is sent again because the object changed in a way that does not matter to it.
const TRIES: usize = 5;

/// What every decision takes.
#[derive(Debug, Clone, clap::Args)]
struct Common {
    /// The Deployment.
    #[arg(value_name = "DEPLOYMENT", value_parser = object_name)]
    name: String,
    #[command(flatten)]
    patience: Patience,
    /// Print the object in this format, and nothing else.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

/// What pins a decision to what was looked at.
#[derive(Debug, Clone, clap::Args)]
struct Pinned {
    /// The preview or the rollback that you looked at; if another stands by now, nothing is done.
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,
}

/// A confirmation or an approval.
#[derive(Debug, clap::Args)]
pub(super) struct Judgement {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    pinned: Pinned,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Anything worth saying.
    #[arg(short = 'm', long, visible_alias = "message", value_name = "TEXT")]
    note: Option<String>,
}

/// A rejection.
#[derive(Debug, clap::Args)]
pub(super) struct Refusal {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    pinned: Pinned,
    /// Why.
    #[arg(short = 'm', long, visible_alias = "message", value_name = "TEXT")]
    note: String,
}

/// A report that may go without a reason.
#[derive(Debug, clap::Args)]
pub(super) struct Report {
    #[command(flatten)]
    common: Common,
    /// Anything worth saying.
    #[arg(short = 'm', long, visible_alias = "message", value_name = "TEXT")]
    note: Option<String>,
}

/// An act that needs a reason.
#[derive(Debug, clap::Args)]
pub(super) struct Act {
    #[command(flatten)]
    common: Common,
    /// Why.
    #[arg(short = 'm', long, visible_alias = "message", value_name = "TEXT")]
    note: String,
}

/// A decision that someone asked for.
#[derive(Debug)]
pub(super) struct Asked {
    intent: Intent,
    common: Common,
    reference: Option<String>,
    yes: bool,
    note: Option<String>,
}

impl Judgement {
    pub(super) fn of(self, intent: Intent) -> Asked {
        let Self { common, pinned: Pinned { reference }, yes, note } = self;
        Asked { intent, common, reference, yes, note }
    }
}

impl Refusal {
    pub(super) fn asked(self) -> Asked {
        let Self { common, pinned: Pinned { reference }, note } = self;
        Asked { intent: Intent::Reject, common, reference, yes: true, note: Some(note) }
    }
}

impl Report {
    pub(super) fn of(self, intent: Intent) -> Asked {
        let Self { common, note } = self;
        Asked { intent, common, reference: None, yes: true, note }
    }
}

impl Act {
    pub(super) fn of(self, intent: Intent) -> Asked {
        let Self { common, note } = self;
        Asked { intent, common, reference: None, yes: true, note: Some(note) }
    }
}

pub(super) async fn run(globals: &Globals, asked: Asked) -> Result<(), Failure> {
    let Asked { intent, common: Common { name, patience, output }, reference, yes, note } = asked;
    let access = globals.open().await?;
    let shown = Seen::read(&access, &name).await?;
    let subject = subject(intent, &shown, reference.as_deref())?;
    if output.is_none() {
        answer(&card::card(&shown, clock::now(), Paint::stdout()))?;
    }
    let actor = access.whoami().await?;
    if intent.asks() {
        prompt::confirm(&format!("{} {} as {actor}?", intent.verb(), card::short(&subject)), yes)?;
    }
    let entry = Entry { actor: &actor, subject: &subject, note: note.as_deref() };
    let accepted = send(&access, intent, shown, entry).await?;
    let who = format!("-n {} {name}", access.namespace);
    if let Some(output) = output {
        output::print(output, &output::bare(&accepted.raw), &[output::deployment(&name)])?;
    } else {
        let follows = next::after(intent, &accepted.object, &who);
        answer(&format!("{} {} by {actor}\nnext: {follows}\n", output::deployment(&name), intent.done()))?;
    }
    if patience.wait { moved_on(&access, intent, &accepted, entry, &patience, output.is_some()).await } else { Ok(()) }
}

/// What the decision names: what stands, and what the caller says to have seen.
fn subject(intent: Intent, shown: &Seen, pinned: Option<&str>) -> Result<String, Failure> {
    if !intent.names_subject() {
        return Ok(String::new());
    }
    let name = shown.name();
    let stands = if intent == Intent::Confirm {
        shown.status().and_then(|status| status.preview.as_ref()).map(|preview| preview.reference.clone())
    } else {
        shown.subject().map(seen::Subject::reference)
    };
    let Some(stands) = stands else {
        let why =
            seen::condition(&shown.object, "Ready").map_or_else(String::new, |(_, message)| format!(": {message}"));
        return Err(Failure::No(format!(
            "{name} has no preview yet, so there is nothing to {} [{}]{why}\nnext: `kubectl slipway watch` follows it",
            intent.verb(),
            Code::PreviewRequired
        )));
    };
    match pinned {
        Some(pinned) if pinned != stands => Err(Failure::No(format!(
            "{name} was previewed anew: {pinned} does not stand any more, {stands} does [{}]\nnext: look at it with \
             `kubectl slipway preview`, and name it with --ref",
            Code::PreviewMismatch
        ))),
        _ => Ok(stands),
    }
}

/// Adds the entry, again after a conflict if what was shown still stands.
async fn send(access: &Access, intent: Intent, shown: Seen, entry: Entry<'_>) -> Result<Seen, Failure> {
    let api = Seen::api(access);
    let doing = format!("{} {}", intent.verb(), shown.name());
    let name = shown.object.metadata.name.clone().unwrap_or_default();
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let mut base = shown;
    for _ in 0..TRIES {
        let patch = intent.patch(&base.raw, entry);
        let sent: kube::Result<DynamicObject> = refusal::timed(api.patch(&name, &params, &Patch::Merge(&patch))).await;
        match sent {
            Ok(object) => return Seen::of(object),
            Err(error) if refusal::conflict(&error) => {
                let again = Seen::read(access, &name).await?;
                if !base.stands_in(&again) {
                    return Err(Failure::No(format!(
                        "{doing}: nothing was done: what was shown has changed meanwhile [{}]\nnext: look again and repeat",
                        Code::Conflict
                    )));
                }
                base = again;
            }
            Err(error) => return Err(refusal::said(&doing, &error)),
        }
    }
    Err(Failure::No(format!(
        "{doing}: nothing was done: others change it all the time [{}]\nnext: repeat",
        Code::Conflict
    )))
}

/// Waits until the decision has had its effect, and says which.
async fn moved_on(
    access: &Access,
    intent: Intent,
    accepted: &Seen,
    entry: Entry<'_>,
    patience: &Patience,
    quiet: bool,
) -> Result<(), Failure> {
    let name = accepted.object.metadata.name.clone().unwrap_or_default();
    let before = accepted.object.clone();
    let look = |now: &slipway_crd::Deployment| effect(intent, &before, now, entry);
    let effect = waiting::until(access.api(), &name, Some(patience.timeout), look).await??;
    if quiet { Ok(()) } else { answer(&format!("{} is {effect}\n", output::deployment(&name))) }
}

/// What became of a decision, once anything did.
fn effect(
    intent: Intent,
    before: &slipway_crd::Deployment,
    now: &slipway_crd::Deployment,
    entry: Entry<'_>,
) -> Option<Result<String, Failure>> {
    let status = now.status.as_ref()?;
    let name = now.metadata.name.clone().unwrap_or_default();
    let void = status
        .approval
        .as_ref()
        .is_some_and(|approval| approval.voided.contains(&format!("{}@{}", entry.actor, entry.subject)));
    if intent.names_subject() && void {
        let code =
            if now.spec.requester.as_deref() == Some(entry.actor) { Code::SelfApproval } else { Code::PreviewExpired };
        return Some(Err(Failure::No(format!(
            "{name}: this review does not count [{code}]: its history says why\nnext: `kubectl slipway history {name}`"
        ))));
    }
    let rollback = |object: &slipway_crd::Deployment| {
        object
            .status
            .as_ref()
            .and_then(|status| status.rollback.as_ref())
            .map(|rollback| (rollback.id.clone(), rollback.state))
    };
    let moved = match intent {
        Intent::AfterReview => status.break_glass == Some(slipway_crd::deployment_status::Glass::Reviewed),
        Intent::OverrideFreeze => status.freeze_overridden || status.phase != seen::phase(before),
        _ => status.phase != seen::phase(before) || rollback(now) != rollback(before),
    };
    let refused = status.rollback.as_ref().filter(|_| intent == Intent::Rollback && rollback(now) != rollback(before));
    if let Some(wrong) =
        refused.filter(|rollback| !rollback.state.open()).and_then(|rollback| rollback.diagnostics.as_ref())
    {
        return Some(Err(Failure::No(format!("{name} is not rolled back [{}]: {}", wrong.code, wrong.message))));
    }
    moved.then(|| {
        let rollback = rollback(now).filter(|now| Some(now) != rollback(before).as_ref());
        let rollback = rollback.map(|(_, state)| format!(", its rollback {}", state.as_str())).unwrap_or_default();
        Ok(format!("{}{rollback}", status.phase))
    })
}
