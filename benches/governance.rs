//! Figure 6: what the policies cost, and that it does not grow with the Environments that are there.
//!
//! Two namespaces are compared, one with a single Environment and one with many: creating a Deployment in each, and
//! approving one, by turns. The controller has indexed all of them and is gone before anything is measured.

use std::path::Path;
use std::time::{Duration, Instant};

use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use slipway_crd::environment_index::NAME;
use slipway_crd::{Deployment, EnvironmentIndex};
use slipway_domain::admission::CONTROLLER_ACCOUNT;

use crate::Outcome;
use crate::bed::{Bed, until};
use crate::report::{Goal, Report};
use crate::sample::Sample;

const DIGEST: &str = "3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a";
const THEN: &str = "2026-01-02T03:04:05Z";

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// How many Environments the fuller namespace has.
    #[arg(long, default_value_t = 200)]
    environments: usize,
    /// How often each request is made in each namespace.
    #[arg(long, default_value_t = 300)]
    rounds: usize,
}

impl Default for Arguments {
    fn default() -> Self {
        Self { environments: 200, rounds: 300 }
    }
}

pub(crate) async fn measure(binary: &Path, arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    let bed = Bed::new(binary).await?;
    let few = Place::furnished(&bed, "few", 1).await?;
    let many = Place::furnished(&bed, "many", arguments.environments).await?;
    let (mut created, mut approved) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    // The first requests are answered before all caches are warm.
    for round in 0..arguments.rounds + 20 {
        let times = [few.create().await?, many.create().await?, few.approve().await?, many.approve().await?];
        if round >= 20 {
            created.0.push(times[0]);
            created.1.push(times[1]);
            approved.0.push(times[2]);
            approved.1.push(times[3]);
        }
    }
    for (what, (few, many)) in [("creating", created), ("approving", approved)] {
        let (few, many) = (Sample::new(few), Sample::new(many));
        let n = arguments.environments;
        report.note(format!("{what} with 1 Environment"), format!("median {:.2} ms", few.median()));
        report.note(format!("{what} with {n} Environments"), format!("median {:.2} ms", many.median()));
        report.goal(format!("{what} with {n} ÷ with 1"), many.median() / few.median(), "", Goal::AtMost(1.05));
    }
    Ok(())
}

/// A namespace with Environments, and a Deployment that waits for review.
struct Place {
    api: Api<Deployment>,
    as_reviewer: Api<Deployment>,
}

impl Place {
    async fn furnished(bed: &Bed, namespace: &str, environments: usize) -> Outcome<Self> {
        let mut text = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}).to_string();
        for number in 0..environments {
            text += "\n---\n";
            text += &environment(namespace, number).to_string();
        }
        bed.kubectl_apply(&text)?;
        indexed(bed, namespace, environments).await?;
        let api: Api<Deployment> = Api::namespaced(bed.client.clone(), namespace);
        let mut asked = request("waits");
        // Somebody else is asked for: the administrator, who reviews, may.
        asked["spec"]["requester"] = "alice@example.com".into();
        api.create(&PostParams::default(), &serde_json::from_value(asked)?).await?;
        let mut config = bed.config().await?;
        config.auth_info.impersonate = Some(CONTROLLER_ACCOUNT.to_owned());
        let resource = ApiResource::erase::<Deployment>(&());
        let controller: Api<DynamicObject> = Api::namespaced_with(Client::try_from(config)?, namespace, &resource);
        let mut waits = controller.get("waits").await?;
        waits.data["status"] = json!({
            "phase": "PendingApproval", "audit": {"seq": 4, "epoch": 1, "auditedSeq": 4},
            "preview": {
                "ref": format!("1-{DIGEST}"), "digest": DIGEST, "at": THEN, "risk": "Low", "summary": "1 object added",
                "changes": {"counts": {"added": 1, "changed": 0, "removed": 0, "unchanged": 0}},
            },
            "approval": {"ticket": "t-1", "required": 1, "count": 0, "openedAt": THEN},
        });
        controller.replace_status("waits", &PostParams::default(), &waits).await?;
        let mut config = bed.config().await?;
        config.auth_info.impersonate = Some("bob@example.com".to_owned());
        config.auth_info.impersonate_groups = Some(vec!["system:masters".to_owned()]);
        Ok(Self { api, as_reviewer: Api::namespaced(Client::try_from(config)?, namespace) })
    }

    async fn create(&self) -> Outcome<f64> {
        let object: Deployment = serde_json::from_value(request("new"))?;
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        let start = Instant::now();
        self.api.create(&dry, &object).await?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    }

    async fn approve(&self) -> Outcome<f64> {
        let review = json!({"reviewer": "bob@example.com", "decision": "Approve", "previewRef": format!("1-{DIGEST}")});
        let patch = Patch::Merge(json!({"spec": {"reviews": [review]}}));
        let dry = PatchParams { dry_run: true, ..PatchParams::default() };
        let start = Instant::now();
        let answer = self.as_reviewer.patch("waits", &dry, &patch).await?;
        let taken = start.elapsed().as_secs_f64() * 1e3;
        if answer.spec.reviews.len() == 1 { Ok(taken) } else { Err(answer.name_any().into()) }
    }
}

/// Lets a controller index the Environments of a namespace, and ends it.
async fn indexed(bed: &Bed, namespace: &str, environments: usize) -> Outcome<()> {
    let controller = bed.controller().await?;
    let api: Api<EnvironmentIndex> = Api::namespaced(bed.client.clone(), namespace);
    until(Duration::from_mins(5), "index of all Environments", async || {
        Ok(api.get_opt(NAME).await?.is_some_and(|index| index.spec.environments.len() == environments))
    })
    .await?;
    controller.stop()
}

fn environment(namespace: &str, number: usize) -> Value {
    json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "Environment",
        "metadata": {"name": format!("production-{number}"), "namespace": namespace},
        "spec": {
            "project": "shop", "team": "web", "tier": "production",
            "runtime": {"k8s": {"namespace": namespace, "serviceAccountName": "deployer"}},
        },
    })
}

fn request(name: &str) -> Value {
    json!({
        "apiVersion": "slipway.dev/v1alpha1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "service": "web", "environmentRef": {"name": "production-0"},
            "operation": {"deploy": {"releaseRef": {"name": "web-v1"}}},
            "workReferences": ["https://git.example.com/shop/issues/12"], "rollbackPlan": "Re-apply web-v0",
            "risk": "None known",
        },
    })
}
