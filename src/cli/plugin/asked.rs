//! A decision as it is asked for on the command line.

use super::intent::Intent;
use super::name::{self, OfDeployment};
use super::output::Output;
use super::waiting::Patience;

/// What every decision takes.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Common {
    #[command(flatten)]
    pub(super) deployment: OfDeployment,
    /// Do not ask.
    ///
    /// At a terminal confirm, approve, reject, rollback, abort, break-glass and reset show what they are about to do, and
    /// ask. Where nobody can be asked, confirm, approve, and an override of a freeze that is not there, need this; the others
    /// say why with a note, and go on without asking.
    #[arg(short, long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) patience: Patience,
    /// Print the object in this format, and nothing else.
    #[arg(short, long, value_enum)]
    pub(super) output: Option<Output>,
}

/// What pins a decision to what was looked at.
#[derive(Debug, Clone, clap::Args)]
struct Pinned {
    /// The preview or the rollback that you looked at; if another stands by now, nothing is done.
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,
}

/// What may be said beside a decision.
#[derive(Debug, Clone, clap::Args)]
struct Remark {
    /// Anything worth saying.
    #[arg(short = 'm', long, visible_alias = "message", value_name = "TEXT", value_parser = name::note)]
    note: Option<String>,
}

/// What has to be said beside a decision.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Reason {
    /// Why.
    #[arg(short = 'm', long, visible_alias = "message", value_name = "TEXT", value_parser = name::note)]
    pub(super) note: String,
}

/// A confirmation or an approval.
#[derive(Debug, clap::Args)]
pub(super) struct Judgement {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    pinned: Pinned,
    #[command(flatten)]
    remark: Remark,
}

/// A rejection.
#[derive(Debug, clap::Args)]
pub(super) struct Rejection {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    pinned: Pinned,
    #[command(flatten)]
    reason: Reason,
}

/// A report that may go without a reason.
#[derive(Debug, clap::Args)]
pub(super) struct Report {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    remark: Remark,
}

/// An act that needs a reason.
#[derive(Debug, clap::Args)]
pub(super) struct Act {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    reason: Reason,
}

/// A decision that someone asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) intent: Intent,
    pub(super) common: Common,
    /// What the caller says to have looked at.
    pub(super) reference: Option<String>,
    pub(super) note: Option<String>,
}

impl Judgement {
    pub(super) fn of(self, intent: Intent) -> Asked {
        let Self { common, pinned: Pinned { reference }, remark: Remark { note } } = self;
        Asked { intent, common, reference, note }
    }
}

impl Rejection {
    pub(super) fn asked(self) -> Asked {
        let Self { common, pinned: Pinned { reference }, reason: Reason { note } } = self;
        Asked { intent: Intent::Reject, common, reference, note: Some(note) }
    }
}

impl Report {
    pub(super) fn of(self, intent: Intent) -> Asked {
        let Self { common, remark: Remark { note } } = self;
        Asked { intent, common, reference: None, note }
    }
}

impl Act {
    pub(super) fn of(self, intent: Intent) -> Asked {
        let Self { common, reason: Reason { note } } = self;
        Asked { intent, common, reference: None, note: Some(note) }
    }
}
