//! One term: on which archive it works, which number it has, and how far its history goes by the Lease.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kube::Client;
use kube::api::ListParams;
use serde::Deserialize;
use serde_json::value::RawValue;
use slipway_crd::{Deployment, Environment};
use slipway_domain::event::Event;
use slipway_store::{Archive, HeadStatus};

use crate::health::Readiness;
use crate::kubernetes::PAGE;
use crate::leader::Leader;
use crate::ledger::adopt_command;
use crate::resources::Custom;
use crate::run::RunError;

/// Waits until the archive is the one that the Lease remembers, or a person has accepted that it is not.
///
/// Returns the Lease, and that acceptance.
pub async fn same_archive(
    archive: &Archive,
    database: &Path,
    leader: &Leader,
    readiness: &Readiness,
) -> Result<(Option<Lease>, Option<Event>), RunError> {
    let mut said = String::new();
    loop {
        let lease = leader.read().await?;
        let Some(head) = lease.as_ref().and_then(Leader::remembered_head) else { return Ok((lease, None)) };
        let here = match archive.head_status(head.clone()).await? {
            HeadStatus::Contained => {
                readiness.clear();
                return Ok((lease, None));
            }
            HeadStatus::Adopted { row } => {
                readiness.clear();
                let accepted = archive.events_page(row.saturating_sub(1), 1).await?.pop();
                return Ok((lease, accepted.map(|line| line.event)));
            }
            HeadStatus::Lost { here } => here,
        };
        let here = here.map_or_else(|| "nothing".to_owned(), |here| here.to_string());
        let message = format!(
            "audit_diverged: the archive ends at {here}, but the cluster remembers {head}: this database is an older \
             copy or another one. Nothing is done until it is put back, or accepted with: {}",
            adopt_command(database, &format!("--lost-head {head}"))
        );
        if message != said {
            tracing::error!("{message}");
            readiness.trouble(message.clone());
            said = message;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// How many terms an archive that was put back from a backup can lack.
const FARTHEST: u64 = 1_000_000;

/// The number of this term: higher than any that the Lease, the archive or an object has seen.
pub async fn open(
    archive: &Archive,
    lease: Option<Lease>,
    client: &Client,
    namespace: Option<&str>,
) -> Result<u64, RunError> {
    let known = lease.as_ref().map_or(0, Leader::transitions).max(archive.epoch().await?);
    let seen = [
        known,
        highest_epoch::<Deployment>(client, namespace, known + FARTHEST).await?,
        highest_epoch::<Environment>(client, namespace, known + FARTHEST).await?,
    ];
    let epoch = seen.into_iter().max().unwrap_or(known) + 1;
    archive.set_epoch(epoch).await?;
    Ok(epoch)
}

/// The highest term that an object of this kind was written in. One above `farthest` was not written by a controller, and
/// would use the numbers up: that object stays behind, not all of them.
async fn highest_epoch<K: Custom>(client: &Client, namespace: Option<&str>, farthest: u64) -> Result<u64, RunError> {
    let path = K::url_path(&(), namespace);
    let unlisted =
        |why: &dyn Error| RunError::Cluster(format!("the resources cannot be listed: {}", crate::explain(why)));
    let mut highest = 0;
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let request = kube::core::Request::new(path.as_str()).list(&page).map_err(|error| unlisted(&error))?;
        let list: Objects = client.request(request).await.map_err(|error| unlisted(&error))?;
        for epoch in list.items.iter().map(|text| epoch(text)) {
            if epoch > farthest {
                tracing::error!(kind = %K::kind(&()), epoch, "an object claims a term that cannot have been");
            } else {
                highest = highest.max(epoch);
            }
        }
        match list.metadata.continue_ {
            Some(token) if !token.is_empty() => page.continue_token = Some(token),
            Some(_) | None => return Ok(highest),
        }
    }
}

/// A page of a list whose objects are looked into one by one.
#[derive(Deserialize)]
struct Objects {
    #[serde(default)]
    metadata: ListMeta,
    items: Vec<Box<RawValue>>,
}

/// The term that wrote an object's history; 0 where there is none, or where it cannot be read: an object that a newer
/// Slipway wrote must not keep this one from starting.
fn epoch(object: &RawValue) -> u64 {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Object {
        status: Status,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Status {
        audit: Audit,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Audit {
        epoch: u64,
    }
    serde_json::from_str(object.get()).map_or(0, |object: Object| object.status.audit.epoch)
}

/// Writes the archive's head to the Lease whenever it has moved, about as often as the Lease is renewed.
pub async fn remember_heads(archive: Archive, leader: Leader) -> Result<(), RunError> {
    let mut remembered = None;
    // Between two renewals: one that has read the Lease and finds it changed is lost, and three in a row end the term.
    let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + leader.period() / 2, leader.period());
    loop {
        interval.tick().await;
        archive.in_place()?;
        let head = archive.head().await?;
        if head == remembered {
            continue;
        }
        if let Some(head) = &head {
            match leader.remember_head(head).await {
                Ok(()) => remembered = Some(head.clone()),
                Err(error) => tracing::warn!(%error, "the archive's head could not be written to the lease"),
            }
        }
    }
}
