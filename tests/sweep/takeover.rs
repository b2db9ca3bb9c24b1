//! A controller that is frozen in the middle of its work, and thaws when another has long taken over.
//!
//! The volume has moved: the archive is copied while the first is frozen, which still holds the lock of its own copy. What
//! the first had on the wire when it froze is sent later, byte by byte, as a slow network would.

use std::path::Path;

use http::Request;
use kube::client::Body;
use serde_json::Value;

use super::case::settled;
use super::error::{SweepError, io_error, kube_error};
use super::fault::{Fault, Mode};
use super::point::Point;
use super::process::Faulty;
use super::scenario::Scenario;
use super::site::{Site, until};
use super::snapshot::{archived, histories, journal_is_archived};
use super::step::{ENVIRONMENT, Step};
use crate::plane::AuditLog;

/// How the first controller came to its end.
#[derive(Debug)]
pub struct Thawed {
    /// What the API server answered to the request that came late.
    pub late: u16,
    /// Whether the process said that it had failed.
    pub failed: bool,
    /// Its log.
    pub log: String,
    /// The writes that the first controller had accepted after the second's first one.
    pub writes: Vec<String>,
    /// What differs between before and after the thaw.
    pub differences: Vec<String>,
}

/// Freezes a controller at `point` of the second release of a service; another one finishes it, and deploys a third.
pub async fn take_over(
    site: &Site,
    audit: Option<&AuditLog>,
    namespace: &str,
    point: &Point,
) -> Result<Thawed, SweepError> {
    let folder = site.folder(namespace)?;
    site.namespace(namespace).await?;
    let (agent_a, agent_b) = (format!("{namespace}-first"), format!("{namespace}-second"));
    let first = Faulty {
        kubeconfig: site.kubeconfig().to_owned(),
        database: folder.join("first.db"),
        namespace: namespace.to_owned(),
        agent: agent_a.clone(),
    };
    let fault = Fault { point: point.clone(), mode: Mode::Freeze };
    let mut a = first.start(Some(&fault), &folder.join("journal-first"), &folder.join("log-first"))?;
    for step in Scenario::FIRST {
        step.act(site, namespace).await?;
        step.wait(site, namespace, &first.database).await?;
    }
    for step in [Step::Release("web-v2", "web:2"), Step::Deploy("web-v2")] {
        step.act(site, namespace).await?;
    }
    let held = a.says().await?;
    a.signal("STOP")?;
    let held: Value = serde_json::from_str(&held)?;

    let second = Faulty { database: folder.join("second.db"), agent: agent_b.clone(), ..first.clone() };
    copy(&first.database, &second.database)?;
    let mut b = second.start(None, &folder.join("journal-second"), &folder.join("log-second"))?;
    let wait = async |step: Step| step.wait(site, namespace, &second.database).await;
    wait(Step::Phase("web-v2", "Succeeded")).await?;
    wait(Step::Settled("Active")).await?;
    carries_the_term(site, namespace).await?;
    for step in [Step::Release("web-v3", "web:3"), Step::Deploy("web-v3")] {
        step.act(site, namespace).await?;
    }
    wait(Step::Phase("web-v3", "Succeeded")).await?;
    wait(Step::Settled("Active")).await?;

    let before = everything(site, namespace).await?;
    let late = send(site, &held).await?;
    a.signal("CONT")?;
    a.go()?;
    let status = until(60, "the end of the controller that thawed", async || {
        Ok(a.ended()?.ok_or_else(|| "it still runs".to_owned()))
    })
    .await?;
    let after = everything(site, namespace).await?;
    b.signal("TERM")?;
    until(60, "the end of the second controller", async || Ok(b.ended()?.ok_or_else(|| "it still runs".to_owned())))
        .await?;
    whole(site, namespace, &second.database).await?;
    let writes = match audit {
        Some(audit) => writes_after(audit, namespace, &agent_a, &agent_b)?,
        None => Vec::new(),
    };
    Ok(Thawed {
        late,
        failed: !status.success(),
        log: a.log(),
        writes,
        differences: super::snapshot::differences(&before, &after),
    })
}

/// A claim and its end have no event, and yet whoever led before is kept out by them: the Environment was written last in
/// the term in which its Deployment ended.
async fn carries_the_term(site: &Site, namespace: &str) -> Result<(), SweepError> {
    let epoch = async |kind: &str, name: &str| {
        let object = site.get(kind, namespace, name).await?.unwrap_or_default();
        Ok::<_, SweepError>(object.pointer("/status/audit/epoch").and_then(Value::as_u64))
    };
    let (deployment, environment) = (epoch("Deployment", "web-v2").await?, epoch("Environment", ENVIRONMENT).await?);
    if deployment.is_some() && deployment == environment {
        return Ok(());
    }
    Err(SweepError::Wrong(format!("web-v2 was written in term {deployment:?}, its environment in {environment:?}")))
}

/// Copies an archive that nobody writes, as it lies on the disk.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), SweepError> {
    for end in ["", "-wal"] {
        let path = |base: &Path| std::path::PathBuf::from(format!("{}{end}", base.display()));
        let _ = std::fs::remove_file(path(to));
        if path(from).exists() {
            std::fs::copy(path(from), path(to)).map_err(io_error("an archive cannot be copied"))?;
        }
    }
    let _ = std::fs::remove_file(format!("{}-shm", to.display()));
    Ok(())
}

/// All that a late controller could spoil, to the byte, but for what pods and their owners report.
async fn everything(site: &Site, namespace: &str) -> Result<Value, SweepError> {
    let mut all = serde_json::Map::new();
    for kind in ["Deployment", "Environment", "Release", "ConfigMap", "Service", "Workload"] {
        for mut object in site.list(kind, namespace).await? {
            if kind == "Workload" {
                let status = object.as_object_mut().and_then(|object| object.remove("status"));
                drop(status);
                object["metadata"]["resourceVersion"] = Value::Null;
                object["metadata"]["managedFields"] = Value::Null;
            }
            let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            all.insert(format!("{kind}/{name}"), object.clone());
        }
    }
    Ok(all.into())
}

/// Sends a request that another process has composed. Returns the HTTP status.
async fn send(site: &Site, held: &Value) -> Result<u16, SweepError> {
    let text = |field: &str| held[field].as_str().unwrap_or_default().to_owned();
    let mut request = Request::builder().method(text("method").as_str()).uri(text("uri"));
    for header in held["headers"].as_array().into_iter().flatten() {
        if let (Some(name), Some(value)) = (header[0].as_str(), header[1].as_str()) {
            request = request.header(name, value);
        }
    }
    let request = request.body(Body::from(serde_json::to_vec(&held["body"])?));
    let request = request.map_err(|error| SweepError::Wrong(error.to_string()))?;
    let answer = site.controller.send(request).await.map_err(kube_error("the late request"))?;
    Ok(answer.status().as_u16())
}

/// What the first controller had accepted after the second had begun to write. Events on objects do not count.
fn writes_after(audit: &AuditLog, namespace: &str, first: &str, second: &str) -> Result<Vec<String>, SweepError> {
    let all = audit.writes()?;
    let here = all.iter().filter(|write| write.namespace.as_deref() == Some(namespace) && write.is_persisted());
    let here: Vec<_> = here.filter(|write| !write.resource.ends_with("events")).collect();
    let begin = here.iter().position(|write| write.user_agent == second).unwrap_or(here.len());
    let late = here.into_iter().skip(begin).filter(|write| write.user_agent == first);
    Ok(late.map(|write| format!("{} {} {:?}", write.verb, write.resource, write.name)).collect())
}

/// Both stores tell one history.
pub(super) async fn whole(site: &Site, namespace: &str, database: &Path) -> Result<(), SweepError> {
    slipway_store::verify(database, &slipway_store::Proof::default())?;
    let events = archived(database)?;
    let histories = histories(&events)?;
    for kind in ["Deployment", "Environment"] {
        for object in site.list(kind, namespace).await? {
            journal_is_archived(&object, &histories)?;
        }
    }
    settled(site, namespace, database, "Active").await?.map_err(SweepError::Wrong)
}
