//! Things that come back from a backup: an object in etcd, or the archive. Each is noticed, nothing is done with it, and a
//! person settles it.
//!
//! An older status is put back through the API server, whose rules against that are taken out of the definition for a
//! moment: what is then in etcd is what a restored etcd would have, but for the resource version.

use std::net::SocketAddr;
use std::path::PathBuf;

use kube::api::{Api, DynamicObject, PostParams};
use serde_json::{Value, json};
use slipway_domain::event::{Action, ResourceType, Source};
use slipway_domain::name::Uid;
use slipway_store::{Adopted, AdoptedObject, Adoption, Head, Target, adopt};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::error::{SweepError, io_error, kube_error};
use super::lease::{self, LEASE};
use super::objects;
use super::process::{Faulty, Process};
use super::site::{Site, until};
use super::step::{ENVIRONMENT, Step};
use super::takeover::{copy, whole};

const PATIENCE: u64 = 60;

/// A namespace whose controller and archive can be stopped, put back and looked at.
pub struct Restorable<'a> {
    site: &'a Site,
    namespace: String,
    folder: PathBuf,
    faulty: Faulty,
    process: Option<Process>,
    lives: usize,
}

impl std::fmt::Debug for Restorable<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Restorable").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl<'a> Restorable<'a> {
    /// A namespace with a controller that runs.
    pub async fn open(site: &'a Site, namespace: &str) -> Result<Self, SweepError> {
        let folder = site.folder(namespace)?;
        site.namespace(namespace).await?;
        let faulty = Faulty {
            kubeconfig: site.kubeconfig().to_owned(),
            database: folder.join("archive.db"),
            namespace: namespace.to_owned(),
            agent: namespace.to_owned(),
        };
        let mut this = Self { site, namespace: namespace.to_owned(), folder, faulty, process: None, lives: 0 };
        this.start()?;
        Ok(this)
    }

    /// Starts a controller.
    pub fn start(&mut self) -> Result<(), SweepError> {
        self.lives += 1;
        let file = |name: &str| self.folder.join(format!("{name}-{}", self.lives));
        self.process = Some(self.faulty.start(None, &file("journal"), &file("log"))?);
        Ok(())
    }

    /// Asks the controller to end, and waits until it has.
    pub async fn stop(&mut self) -> Result<(), SweepError> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.signal("TERM")?;
        until(PATIENCE, "the controller's end", async || Ok(process.ended()?.ok_or_else(|| "it runs".to_owned())))
            .await
            .map(|_| ())
    }

    /// Goes through the steps of a story.
    pub async fn tell(&self, steps: &[Step]) -> Result<(), SweepError> {
        for step in steps {
            step.act(self.site, &self.namespace).await?;
            step.wait(self.site, &self.namespace, &self.faulty.database).await?;
        }
        Ok(())
    }

    /// An object as it is now.
    pub async fn object(&self, kind: &str, name: &str) -> Result<Value, SweepError> {
        Ok(self.site.get(kind, &self.namespace, name).await?.unwrap_or_default())
    }

    /// Confirms the preview that a Deployment shows.
    pub async fn confirm(&self, name: &str) -> Result<(), SweepError> {
        let object = self.object("Deployment", name).await?;
        let confirmation = json!({"actor": self.site.actor, "previewRef": object["status"]["preview"]["ref"]});
        self.site.add("Deployment", &self.namespace, name, json!({"confirmations": [confirmation]})).await
    }

    /// Keeps a copy of the archive. The controller must not run.
    pub fn back_up(&self) -> Result<(), SweepError> {
        copy(&self.faulty.database, &self.folder.join("backup.db"))
    }

    /// Puts the copy back.
    pub fn restore_archive(&self) -> Result<(), SweepError> {
        copy(&self.folder.join("backup.db"), &self.faulty.database)
    }

    /// Puts an older status back, as a restored etcd would have it.
    pub async fn restore_status(&self, kind: &str, older: &Value) -> Result<(), SweepError> {
        let plural = objects::resource(kind).plural;
        let definition = definitions(self.site);
        let name = format!("{plural}.slipway.dev");
        let kept = definition.get(&name).await.map_err(kube_error("the definition"))?;
        let mut lax = serde_json::to_value(&kept)?;
        without_rules(&mut lax);
        lax["metadata"] = json!({"name": name, "resourceVersion": kept.metadata.resource_version});
        replace(self.site, &name, lax).await?;
        let object = older["metadata"]["name"].as_str().unwrap_or_default();
        let resource = objects::resource(kind);
        let api: Api<DynamicObject> = Api::namespaced_with(self.site.controller.clone(), &self.namespace, &resource);
        let put = until(PATIENCE, "the older status", async || {
            let mut now: DynamicObject = api.get(object).await.map_err(kube_error("an object to restore"))?;
            now.data["status"] = older["status"].clone();
            Ok(api.replace_status(object, &PostParams::default(), &now).await.map_err(|error| error.to_string()))
        })
        .await;
        let mut strict = serde_json::to_value(&kept)?;
        let now = definition.get(&name).await.map_err(kube_error("the definition"))?;
        strict["metadata"] = json!({"name": name, "resourceVersion": now.metadata.resource_version});
        replace(self.site, &name, strict).await?;
        put.map(|_| ())
    }

    /// What `/readyz` says, once it answers and says `wanted`: the status line and the text. What it says for a moment at
    /// every start is passed over.
    pub async fn ready(&self, wanted: u16) -> Result<String, SweepError> {
        until(PATIENCE, &format!("/readyz to say {wanted}"), async || {
            let Some(process) = &self.process else { return Err(SweepError::Wrong("no controller runs".to_owned())) };
            // Whoever does not lead is ready too.
            let leads = process.log().contains("leading") || wanted == 503;
            let Some(address) = process.address().filter(|_| leads) else { return Ok(Err(process.log())) };
            let text = get(address, "/readyz").await?;
            let starting = text.contains("not all resources are listed yet");
            Ok(if text.contains(&format!(" {wanted} ")) && !starting { Ok(text) } else { Err(text) })
        })
        .await
    }

    /// Waits until this Deployment has been looked at `times` times by the process that runs.
    pub async fn looked_at(&self, name: &str, times: usize) -> Result<(), SweepError> {
        // A look at an object is a span of kube's, and its end a line of the log.
        let (span, object) = ("reconciling object", format!("/{name}.{} ", self.namespace));
        let deployment = "object.ref=Deployment.v1alpha1.slipway.dev";
        until(PATIENCE, &format!("{times} looks at {name}"), async || {
            let log = self.process.as_ref().map(Process::log).unwrap_or_default();
            let ends = |line: &&str| line.contains(" close ") && line.contains(span) && line.contains(deployment);
            let looks = log.lines().filter(ends).filter(|line| line.contains(&object)).count();
            Ok(if looks >= times { Ok(()) } else { Err(format!("{looks} looks")) })
        })
        .await
    }

    /// A person says that an object goes on from where the side is that knows more.
    pub fn adopt_object(&self, object: &Value, kind: ResourceType, status: &str) -> Result<Adopted, SweepError> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let uid: Uid =
            text("/metadata/uid").parse().map_err(|_| SweepError::Wrong("an object without a uid".to_owned()))?;
        self.adopt(Target::Object(AdoptedObject {
            uid,
            resource_type: kind,
            resource_name: format!("{}/{}", self.namespace, text("/metadata/name")),
            project_id: "shop".to_owned(),
            team_id: "web".to_owned(),
            environment_id: ENVIRONMENT.to_owned(),
            status: status.to_owned(),
            seq: object.pointer("/status/audit/seq").and_then(Value::as_u64).unwrap_or_default(),
        }))
    }

    /// Waits until the lease remembers where the archive ends.
    pub async fn head_is_remembered(&self) -> Result<(), SweepError> {
        until(PATIENCE, "the head on the lease", async || {
            lease::remembers_head(self.site, &self.namespace, &self.faulty.database).await
        })
        .await
    }

    /// A person accepts that the archive has lost what the lease remembers.
    pub async fn adopt_archive(&self) -> Result<Adopted, SweepError> {
        let lease = self.object("Lease", LEASE).await?;
        let head = lease["metadata"]["annotations"][slipway_controller::HEAD_ANNOTATION].as_str().unwrap_or_default();
        let lost: Head = head.parse().map_err(|_| SweepError::Wrong(format!("{head:?} is no head")))?;
        self.adopt(Target::Archive { lost })
    }

    fn adopt(&self, target: Target) -> Result<Adopted, SweepError> {
        let wrong = |text: String| SweepError::Wrong(text);
        let adoption = Adoption {
            target,
            actor: self.site.actor.parse().map_err(|_| wrong("no actor".to_owned()))?,
            note: "a backup was put back".parse().map_err(|_| wrong("no note".to_owned()))?,
            source: Source::Kubectl,
            at: jiff::Timestamp::now(),
        };
        adopt(&self.faulty.database, adoption).map_err(|error| wrong(error.to_string()))
    }

    /// Both stores tell one history, and nothing is open.
    pub async fn is_whole(&self) -> Result<(), SweepError> {
        whole(self.site, &self.namespace, &self.faulty.database).await
    }

    /// The archive's chain holds. Returns the actions of a resource, oldest first.
    pub fn history(&self, object: &Value) -> Result<Vec<Action>, SweepError> {
        slipway_store::verify(&self.faulty.database, &slipway_store::Proof::default())?;
        let events = super::snapshot::archived(&self.faulty.database)?;
        let of = events.iter().filter(|event| object["metadata"]["uid"] == event.resource_id.as_str());
        Ok(of.map(|event| event.action).collect())
    }
}

fn definitions(site: &Site) -> Api<DynamicObject> {
    let resource = kube::core::ApiResource {
        group: "apiextensions.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "apiextensions.k8s.io/v1".to_owned(),
        kind: "CustomResourceDefinition".to_owned(),
        plural: "customresourcedefinitions".to_owned(),
    };
    Api::all_with(site.client.clone(), &resource)
}

async fn replace(site: &Site, name: &str, definition: Value) -> Result<(), SweepError> {
    let definition: DynamicObject = serde_json::from_value(definition)?;
    let replaced = definitions(site).replace(name, &PostParams::default(), &definition).await;
    replaced.map(|_| ()).map_err(kube_error(format!("definition {name}")))
}

fn without_rules(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("x-kubernetes-validations");
            fields.values_mut().for_each(without_rules);
        }
        Value::Array(items) => items.iter_mut().for_each(without_rules),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

async fn get(address: SocketAddr, path: &str) -> Result<String, SweepError> {
    let failed = || io_error(format!("{path} does not answer"));
    let mut stream = tokio::net::TcpStream::connect(address).await.map_err(failed())?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(failed())?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.map_err(failed())?;
    Ok(text)
}
