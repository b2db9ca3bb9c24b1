//! What the Lease says of the controller that leads.

use std::path::Path;

use serde_json::Value;

use super::error::SweepError;
use super::site::Site;
use super::snapshot;

/// The Lease of every controller here, in the namespace that it looks at.
pub(super) const LEASE: &str = "slipway";

/// Whether the Lease remembers where the archive ends.
pub(super) async fn remembers_head(
    site: &Site,
    namespace: &str,
    database: &Path,
) -> Result<Result<(), String>, SweepError> {
    let lease = site.get("Lease", namespace, LEASE).await?.unwrap_or_default();
    let head = lease["metadata"]["annotations"][slipway_controller::HEAD_ANNOTATION].as_str().unwrap_or("nothing");
    let events = snapshot::archived(database)?.len();
    let remembered = head.starts_with(&format!("{events}:"));
    Ok(if remembered { Ok(()) } else { Err(format!("the lease remembers {head} of {events} events")) })
}

/// Whether whoever holds the Lease has renewed it.
pub(super) async fn renewed(site: &Site, namespace: &str) -> Result<Result<(), String>, SweepError> {
    let lease = site.get("Lease", namespace, LEASE).await?.unwrap_or_default();
    let spec = &lease["spec"];
    let held = spec["holderIdentity"].as_str().is_some_and(|holder| !holder.is_empty());
    let renewed = held && spec["renewTime"] != Value::Null && spec["renewTime"] != spec["acquireTime"];
    Ok(if renewed { Ok(()) } else { Err(format!("the lease was not renewed: {spec}")) })
}
