//! Takes a person's decision about a divergence over to the object: the side that knew more is what it becomes.

use std::sync::Arc;

use slipway_crd::{Deployment as WireDeployment, Environment as WireEnvironment, parse};
use slipway_domain::audit::Audit;
use slipway_domain::deployment::Deployment;
use slipway_domain::environment::Environment;
use slipway_domain::event::Event;

use crate::context::Context;
use crate::ledger::LedgerError;
use crate::publish::{self, PublishError};
use crate::resources::Resources;

/// The object continues after `event`, with the archived status where the archive knew more.
pub async fn deployment<R: Resources>(
    cx: &Context<R>,
    wire: &Arc<WireDeployment>,
    deployment: &Deployment,
    event: &Event,
) -> Result<(), PublishError> {
    let row = cx.ledger.archive().deployment(&deployment.id.uid).await.map_err(LedgerError::from)?;
    let archived = row.filter(|row| row.seq > deployment.status.audit.seq).and_then(|row| {
        let mut known = (**wire).clone();
        known.status = serde_json::from_str(&row.status).ok()?;
        parse::deployment(&known).ok()
    });
    let mut status = archived.map_or_else(|| deployment.status.clone(), |known| known.status);
    continue_after(&mut status.audit, event, cx.epoch);
    let wire = publish::deployment(cx, wire, deployment, &status, None).await?;
    publish::row_of_deployment(cx, &wire, deployment, &status).await?;
    Ok(())
}

/// The same for an Environment.
pub async fn environment<R: Resources>(
    cx: &Context<R>,
    wire: &Arc<WireEnvironment>,
    environment: &Environment,
    event: &Event,
) -> Result<(), PublishError> {
    let row = cx.ledger.archive().environment(&environment.id.uid).await.map_err(LedgerError::from)?;
    let newer =
        row.filter(|row| row.operations > environment.status.operations || row.seq > environment.status.audit.seq);
    let archived = newer.and_then(|row| {
        let mut known = (**wire).clone();
        known.status = serde_json::from_str(&row.status).ok()?;
        parse::environment(&known).ok()
    });
    let mut status = archived.map_or_else(|| environment.status.clone(), |known| known.status);
    continue_after(&mut status.audit, event, cx.epoch);
    let wire = publish::environment(cx, wire, &status).await?;
    publish::mirror_environment(cx, &wire, &status).await?;
    Ok(())
}

fn continue_after(audit: &mut Audit, event: &Event, epoch: u64) {
    *audit =
        Audit { seq: event.seq, epoch: audit.epoch.max(epoch), audited_seq: event.seq, journal: vec![event.clone()] };
}
