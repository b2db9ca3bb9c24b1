//! A decision from end to end: show what is decided, ask, add the entry, and say what became of it and what follows.
//!
//! Between showing and sending the object may change. It is sent only over the version that was read; after a conflict it
//! is read again, and sent again only if what was shown still stands. What the controller makes of it is waited for, for
//! a moment or with `--wait`: what was accepted can turn out to be impossible.

use std::time::Duration;

use slipway_crd::Deployment;
use slipway_domain::code::Code;

use super::access::{Access, Globals};
use super::asked::{Asked, Common};
use super::intent::{Entry, Intent};
use super::outcome::{Decision, Far};
use super::output::{self, Output};
use super::paint::Paint;
use super::seen::{self, Seen};
use super::waiting::Patience;
use super::{back, card, clock, freeze, hint, next, prompt, refusal, twice, waiting};
use crate::{Failure, answer};

/// How often a decision is sent again because the object changed in a way that does not matter to it.
const TRIES: usize = 5;
/// How long the controller may take to answer where nobody asked to wait for it.
const ANSWER: Duration = Duration::from_secs(15);

pub(super) async fn run(globals: &Globals, asked: Asked) -> Result<(), Failure> {
    let Asked { intent, common: Common { deployment, yes, patience, output }, reference, note } = asked;
    let name = deployment.read()?;
    let access = globals.open().await?;
    let shown = Seen::read(&access, &name).await?;
    let subject = subject(intent, &shown, reference.as_deref())?;
    let card = shown_before(&access, intent, &shown).await?;
    if output.is_none() {
        answer(&card)?;
    }
    let actor = access.whoami().await?;
    ask(&access, intent, &shown, (&subject, &actor), yes).await?;
    let entry = Entry { actor: &actor, subject: &subject, note: note.as_deref() };
    let accepted = send(&access, intent, shown, entry).await?;
    match output {
        Some(output) => output::print(output, &output::bare(&accepted.raw), &[output::deployment(&name)])?,
        None => answer(&format!("{} {} by {actor}\n", output::deployment(&name), intent.done()))?,
    }
    follow(&access, &Decision { intent, entry, accepted: &accepted.object }, &patience, output).await
}

/// What a person looks at before they decide. A rollback that could not be is refused here: nothing is written.
async fn shown_before(access: &Access, intent: Intent, shown: &Seen) -> Result<String, Failure> {
    let (now, paint) = (clock::now(), Paint::stdout());
    if intent != Intent::Rollback {
        return Ok(card::card(shown, now, paint));
    }
    let way = back::of(access, shown).await?;
    let unseen = "back to the release before it; which that is cannot be seen from here";
    Ok(card::before_rollback(shown, way.as_deref().unwrap_or(unseen), paint))
}

/// Asks whoever sits at a terminal, before anything is sent. What names something that was shown, and a freeze that is
/// overridden for nothing, need `--yes` where nobody can be asked.
async fn ask(
    access: &Access,
    intent: Intent,
    shown: &Seen,
    (subject, actor): (&str, &str),
    yes: bool,
) -> Result<(), Failure> {
    match intent {
        Intent::Confirm | Intent::Approve => {
            if let Some(remark) = back::since_preview(access, shown).await {
                eprintln!("warning: {remark}");
            }
            let question = format!("{} {} as {actor}?", intent.verb(), card::short(subject));
            let next = "look at what is shown, and repeat with --yes, and with --ref to name what you saw";
            prompt::confirm(&question, yes, next)
        }
        Intent::OverrideFreeze => match freeze::needless(access, shown).await {
            Some(why) => {
                let question = format!("{why}; override it all the same, as {actor}?");
                prompt::confirm(&question, yes, "if it is meant, repeat with --yes")
            }
            None => Ok(()),
        },
        Intent::Reject | Intent::Rollback | Intent::Abort | Intent::BreakGlass => {
            prompt::at_terminal(&format!("{} {} as {actor}?", intent.verb(), shown.name()), yes)
        }
        Intent::Start | Intent::Succeed | Intent::Fail | Intent::AfterReview => Ok(()),
    }
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
        let code = Code::PreviewRequired;
        return Err(Failure::No(format!(
            "{name} has no preview yet, so there is nothing to {} [{code}]{why}\nnext: {}",
            intent.verb(),
            hint::about(code, &shown.object)
        )));
    };
    match pinned {
        Some(pinned) if pinned != stands => Err(Failure::No(format!(
            "{name} was previewed anew: {pinned} does not stand any more, {stands} does [{}]\nnext: look at it with \
             `kubectl slipway preview {}`, and name it with --ref",
            Code::PreviewMismatch,
            seen::who(&shown.object)
        ))),
        _ => Ok(stands),
    }
}

/// Adds the entry, again after a conflict if what was shown still stands.
async fn send(access: &Access, intent: Intent, shown: Seen, entry: Entry<'_>) -> Result<Seen, Failure> {
    let doing = format!("{} {}", intent.verb(), shown.name());
    let name = shown.object.metadata.name.clone().unwrap_or_default();
    let mut base = shown;
    for _ in 0..TRIES {
        match access.say::<Deployment>(&name, &intent.patch(&base.raw, entry)).await {
            Ok(object) => {
                let accepted = Seen::of(object)?;
                // The same word a second time changes nothing, and so it is no refusal.
                let unchanged = accepted.object.metadata.resource_version == base.object.metadata.resource_version;
                return match unchanged.then(|| twice::told(intent, &base.object, entry)).flatten() {
                    Some(before) => Err(before),
                    None => Ok(accepted),
                };
            }
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
            Err(error) => {
                let before = refusal::too_late(&error).then(|| twice::told(intent, &base.object, entry)).flatten();
                return Err(before.unwrap_or_else(|| refusal::about(&doing, &error, &base.object)));
            }
        }
    }
    Err(Failure::No(format!(
        "{doing}: nothing was done: others change it all the time [{}]\nnext: repeat",
        Code::Conflict
    )))
}

/// Waits for what the controller makes of it, and says that and what follows.
async fn follow(
    access: &Access,
    decision: &Decision<'_>,
    patience: &Patience,
    output: Option<Output>,
) -> Result<(), Failure> {
    let name = decision.accepted.metadata.name.clone().unwrap_or_default();
    let far = if patience.wait { Far::Moved } else { Far::Heard };
    let look = |now: &Deployment| decision.outcome(now, far).map(|outcome| outcome.map(|is| (is, now.clone())));
    let found = if patience.wait {
        Some(waiting::until(access.api(), &name, Some(patience.timeout), look).await?)
    } else {
        // The decision is taken whether its outcome can be seen or not.
        waiting::within(access.api(), &name, ANSWER, look).await.unwrap_or_default()
    };
    let who = seen::who(decision.accepted);
    let Some((is, now)) = found.transpose()? else {
        eprintln!(
            "warning: the controller has not answered yet, so nobody knows what comes of it\n\
             next: `kubectl slipway watch {who}` follows it, `kubectl slipway doctor` tells whether the controller is alive"
        );
        return Ok(());
    };
    if output.is_some() {
        return Ok(());
    }
    let next = next::after(decision.intent, &now, &who);
    answer(&format!("{} is {is}\nnext: {next}\n", output::deployment(&name)))
}
