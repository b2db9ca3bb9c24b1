//! A preview reads and asks, and changes nothing: at most one dry-run an object.
//!
//! With [`Depth::Auto`] an object that does not exist, or whose live form carries this very content and still says all
//! that the manifest says, needs no dry-run. With [`Depth::Full`] each object gets one, so that what the server would
//! refuse is known before anybody approves it.

use futures::{StreamExt as _, stream};
use serde_json::Value;
use slipway_domain::code::Code;
use slipway_domain::runtime::{Changes, Check, Failure, Forecast, HealthCheck, ObjectRef, Risk};

use crate::client::Access;
use crate::kinds::Kind;
use crate::render::{Rendered, RenderedObject};
use crate::runtime::Runtime;
use crate::target::{Ownership, Target};
use crate::{compare, diff, failure, probe, risk, seal};

/// How many objects are read at a time.
const READS: usize = 8;

/// How much a preview asks the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Only what cannot be told otherwise: where confirmation is automatic.
    Auto,
    /// Every object: where a person decides.
    Full,
}

/// What would happen to one object.
struct Finding {
    fate: Fate,
    diff: String,
    checks: Vec<Check>,
    adopted: bool,
}

#[derive(Clone, Copy)]
enum Fate {
    Added,
    Changed,
    Unchanged,
}

impl Runtime {
    /// What applying `rendered` to `target` would do, `inventory` being what the service consists of now.
    ///
    /// # Errors
    /// The first thing that would stop the release; `detail` lists all of them. Nothing is ever changed.
    pub async fn preview(
        &self,
        target: &Target,
        rendered: &Rendered,
        inventory: &[ObjectRef],
        checks: &[HealthCheck],
        depth: Depth,
    ) -> Result<Forecast, Failure> {
        probe::supported(checks)?;
        let access = Access::new(&self.base, target)?;
        let kinds = self.kinds.of(&self.base, rendered, target).await?;
        // Collected before they are polled: a stream that maps by reference is not Send for every lifetime.
        let each: Vec<_> =
            rendered.objects.iter().zip(&kinds).map(|(one, kind)| self.examine(&access, one, kind, depth)).collect();
        let examined: Vec<Result<Finding, Failure>> = stream::iter(each).buffered(READS).collect().await;
        let each: Vec<_> = left_behind(rendered, inventory).into_iter().map(|one| self.leaving(&access, one)).collect();
        let leaving: Vec<Result<Leaving, Failure>> = stream::iter(each).buffered(READS).collect().await;

        let (findings, mut failures) = sorted(examined);
        let (leaving, more) = sorted(leaving);
        failures.extend(more);
        match failure::all(failures) {
            Some(failure) => Err(failure),
            None => Ok(forecast(rendered, findings, leaving)),
        }
    }

    async fn examine(
        &self,
        access: &Access<'_>,
        one: &RenderedObject,
        kind: &Kind,
        depth: Depth,
    ) -> Result<Finding, Failure> {
        let Some(live) = access.get(kind, &one.reference.name).await? else {
            let tried = match depth {
                Depth::Full if !kind.declared => Some(dry_run(access, one, kind).await?),
                Depth::Auto | Depth::Full => None,
            };
            let shown = tried.as_ref().unwrap_or(&one.object);
            let diff = diff::unified(&one.reference, None, Some(shown), &self.key);
            return Ok(Finding { fate: Fate::Added, diff, checks: untried(one, kind, depth), adopted: false });
        };
        let adopted = adoption(access.target, one, &live)?;
        let known = compare::same_content(&one.object, &live) && compare::contained(&one.object, &live);
        let (fate, diff) = if known && depth == Depth::Auto {
            (Fate::Unchanged, String::new())
        } else {
            let stored = dry_run(access, one, kind).await?;
            if compare::settled(&stored) == compare::settled(&live) {
                (Fate::Unchanged, String::new())
            } else {
                (Fate::Changed, diff::unified(&one.reference, Some(&live), Some(&stored), &self.key))
            }
        };
        Ok(Finding { fate, diff, adopted: adopted.is_some(), checks: adopted.into_iter().collect() })
    }

    async fn leaving(&self, access: &Access<'_>, reference: &ObjectRef) -> Result<Leaving, Failure> {
        let Some(kind) = self.kinds.find_any(&self.base, reference, access.target).await? else {
            return Ok(Leaving::Gone);
        };
        let Some(live) = access.get(&kind, &reference.name).await? else { return Ok(Leaving::Gone) };
        Ok(match Ownership::of(&live, access.target) {
            Ownership::Ours => Leaving::Removed(reference.clone()),
            Ownership::Theirs(_) | Ownership::Nobody => Leaving::Kept(reference.clone()),
        })
    }
}

/// What would happen to an object that the release no longer has.
enum Leaving {
    Removed(ObjectRef),
    Kept(ObjectRef),
    Gone,
}

/// What is in the inventory and no longer in the release.
pub(crate) fn left_behind<'a>(rendered: &Rendered, inventory: &'a [ObjectRef]) -> Vec<&'a ObjectRef> {
    let stays = |one: &ObjectRef| rendered.content.inventory.iter().any(|kept| kept.identity() == one.identity());
    inventory.iter().filter(|one| !stays(one)).collect()
}

/// What the server would store. Values of a Secret that it repeats in a refusal are taken out.
pub(crate) async fn dry_run(access: &Access<'_>, one: &RenderedObject, kind: &Kind) -> Result<Value, Failure> {
    let subject = one.reference.to_string();
    access.dry_run(kind, &one.reference.name, &one.object).await.map_err(|error| {
        let failure = access.failure(&error, kind, "patch", &subject);
        Failure { message: seal::scrub(&failure.message, &one.object), ..failure }
    })
}

/// That an existing object may be written: a remark where nobody manages it.
///
/// # Errors
/// `ObjectOwned` where another service or Environment does.
pub(crate) fn adoption(target: &Target, one: &RenderedObject, live: &Value) -> Result<Option<Check>, Failure> {
    let (reference, owner) = (&one.reference, target.owner());
    match Ownership::of(live, target) {
        Ownership::Ours => Ok(None),
        Ownership::Theirs(other) => {
            let message = format!("{reference} belongs to {other}; this release is of {owner}");
            Err(failure::refused(Code::ObjectOwned, message))
        }
        Ownership::Nobody => Ok(Some(Check {
            name: format!("adopts {reference}"),
            message: format!("it exists and Slipway does not manage it; from now on it belongs to {owner}"),
        })),
    }
}

fn untried(one: &RenderedObject, kind: &Kind, depth: Depth) -> Vec<Check> {
    let check = (depth == Depth::Full && kind.declared).then(|| Check {
        name: format!("not tried {}", one.reference),
        message: "the release brings its kind, so the server could not be asked about it".to_owned(),
    });
    check.into_iter().collect()
}

fn sorted<T>(results: Vec<Result<T, Failure>>) -> (Vec<T>, Vec<Failure>) {
    let mut good = Vec::with_capacity(results.len());
    let mut bad = Vec::new();
    for result in results {
        match result {
            Ok(one) => good.push(one),
            Err(failure) => bad.push(failure),
        }
    }
    (good, bad)
}

fn forecast(rendered: &Rendered, findings: Vec<Finding>, leaving: Vec<Leaving>) -> Forecast {
    let mut changes = Changes::default();
    let mut checks = Vec::new();
    let mut diffs = Vec::new();
    let mut adopted = false;
    for (one, finding) in rendered.objects.iter().zip(findings) {
        let list = match finding.fate {
            Fate::Added => &mut changes.added,
            Fate::Changed => &mut changes.changed,
            Fate::Unchanged => &mut changes.unchanged,
        };
        list.push(one.reference.clone());
        adopted |= finding.adopted;
        checks.extend(finding.checks);
        diffs.push(finding.diff);
    }
    for one in leaving {
        match one {
            Leaving::Removed(reference) => {
                diffs.push(format!("--- {reference} (live)\n+++ nothing\n"));
                if risk::keeps_data(&reference) {
                    let message = "it is removed, and the data it keeps may go with it".to_owned();
                    checks.push(Check { name: format!("deletes data of {reference}"), message });
                }
                changes.removed.push(reference);
            }
            Leaving::Kept(reference) => checks.push(Check {
                name: format!("keeps {reference}"),
                message: "it left the release but no longer belongs to it, so it stays".to_owned(),
            }),
            Leaving::Gone => {}
        }
    }
    let risk: Risk = risk::of(&changes, adopted);
    Forecast { changes, risk, checks, diff: diff::joined(diffs) }
}

#[cfg(test)]
mod tests;
