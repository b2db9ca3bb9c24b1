//! The people of one Environment, who deploy, break, abort, roll back and delete, one after the other, and know beforehand
//! how each ends.

use std::cell::Cell;
use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::{Value, json};

use super::super::error::SweepError;
use super::super::objects;
use super::super::site::until;
use super::{Lane, PATIENCE, SERVICES};

/// What someone does to a service.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Deploy,
    Break,
    Abort,
    RollBack,
    Delete,
}

/// What runs of one service in one Environment, as the people who deploy it know.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) current: Option<String>,
    pub(super) previous: Option<String>,
    /// How often its `ConfigMap` and its workload were changed.
    pub(super) changes: usize,
    ended: Vec<String>,
}

impl Lane<'_> {
    /// Everything that happens in one Environment in one round.
    pub(super) async fn street(
        &self,
        environment: &'static str,
        mut known: BTreeMap<&'static str, Known>,
        mut random: StdRng,
        mut number: usize,
        over: &Cell<bool>,
    ) -> Result<(&'static str, BTreeMap<&'static str, Known>, usize), SweepError> {
        let mut count = 0;
        while !over.get() || count == 0 {
            let service = *SERVICES.choose(&mut random).unwrap_or(&SERVICES[0]);
            let deeds = [Deed::Deploy, Deed::Deploy, Deed::Break, Deed::Abort, Deed::RollBack, Deed::Delete];
            let deed = *deeds.choose(&mut random).unwrap_or(&Deed::Deploy);
            number += 1;
            let Some(known) = known.get_mut(service) else { break };
            self.deed(environment, service, deed, known, number).await?;
            count += 1;
        }
        Ok((environment, known, count))
    }

    async fn deed(
        &self,
        environment: &str,
        service: &str,
        deed: Deed,
        known: &mut Known,
        number: usize,
    ) -> Result<(), SweepError> {
        let name = format!("{environment}-{service}-{number}");
        let (site, home) = (self.site, self.home.as_str());
        let said = json!({"actor": site.actor, "note": "somebody wants it"});
        match deed {
            Deed::RollBack if known.current.is_some() && known.previous.is_some() => {
                let current = known.current.take().unwrap_or_default();
                let mut request = said;
                request["id"] = json!(format!("r-{number}"));
                site.add("Deployment", home, &current, json!({"rollbacks": [request]})).await?;
                self.ends(&current, "RolledBack").await?;
                known.current = known.previous.take();
                known.ended.push(current);
                known.changes += 1;
            }
            Deed::Delete if known.ended.len() > 2 => {
                let old = known.ended.remove(0);
                site.delete("Deployment", home, &old).await?;
                until(PATIENCE, &format!("the end of {old}"), async || {
                    Ok(match site.get("Deployment", home, &old).await? {
                        None => Ok(()),
                        Some(object) => Err(object["status"]["phase"].to_string()),
                    })
                })
                .await?;
            }
            Deed::Break if known.current.is_some() => {
                self.deploy(environment, service, &name, "web:does-not-exist").await?;
                self.ends(&name, "RolledBack").await?;
                known.changes += 2;
                known.ended.push(name);
            }
            Deed::Abort => {
                // An image of its own: the workload then tells that this one is being applied, and none before it.
                let slow = format!("web-{number}:never-ready");
                self.deploy(environment, service, &name, &slow).await?;
                let target = format!("{home}-{environment}");
                until(PATIENCE, &format!("the workload of {name}"), async || {
                    let workload = site.get("Workload", &target, service).await?.unwrap_or_default();
                    let image = workload.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str);
                    let there = image.is_some_and(|image| image.ends_with(&slow));
                    Ok(if there { Ok(()) } else { Err(format!("{image:?}")) })
                })
                .await?;
                site.add("Deployment", home, &name, json!({"abort": said})).await?;
                let uid = self.ends(&name, "Failed").await?;
                // What failed is named once the Environment says so.
                self.free(environment, "Failed").await?;
                let mut reset = said;
                reset["of"] = json!(uid);
                site.add("Environment", home, environment, json!({"reset": reset})).await?;
                self.given_back(environment).await?;
                known.changes += 1;
                known.ended.push(name);
            }
            Deed::Deploy | Deed::Break | Deed::RollBack | Deed::Delete => {
                self.deploy(environment, service, &name, &format!("web:{number}")).await?;
                self.ends(&name, "Succeeded").await?;
                known.changes += 1;
                // What is current or previous is not deleted: it may be rolled back.
                let before = known.current.replace(name);
                known.ended.extend(std::mem::replace(&mut known.previous, before));
            }
        }
        self.given_back(environment).await
    }

    async fn deploy(&self, environment: &str, service: &str, name: &str, image: &str) -> Result<(), SweepError> {
        self.site.apply(&self.home, objects::release(name, service, image)).await?;
        self.site.apply(&self.home, objects::deployment(name, service, environment, name)).await
    }

    /// Waits until a Deployment has ended, and that it ended so. Returns its uid.
    async fn ends(&self, name: &str, phase: &str) -> Result<String, SweepError> {
        until(PATIENCE, &format!("{name} to end {phase}"), async || {
            let object = self.site.get("Deployment", &self.home, name).await?.unwrap_or_default();
            let ended = object.pointer("/status/finishedAt").is_some() && object["status"]["phase"] == phase;
            if ended {
                return Ok(Ok(object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()));
            }
            Ok(Err(format!("{} {}", object["status"]["phase"], object["status"]["diagnostics"])))
        })
        .await
    }

    /// Waits until nobody holds an Environment and it is well.
    async fn given_back(&self, environment: &str) -> Result<(), SweepError> {
        self.free(environment, "Active").await
    }

    /// Nobody has it any more, and this is how it was left.
    async fn free(&self, environment: &str, phase: &str) -> Result<(), SweepError> {
        until(PATIENCE, &format!("environment {environment} to be given back"), async || {
            let object = self.site.get("Environment", &self.home, environment).await?.unwrap_or_default();
            let status = &object["status"];
            let free = status["claim"].is_null() && status["phase"] == phase;
            if free { Ok(Ok(())) } else { Ok(Err(format!("{} {}", status["phase"], status["claim"]))) }
        })
        .await
    }
}
