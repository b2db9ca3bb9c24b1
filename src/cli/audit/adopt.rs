//! `slipway audit adopt`: a person's word about a divergence, recorded as an event.

use std::path::{Path, PathBuf};

use clap::ArgGroup;
use jiff::Timestamp;
use slipway_domain::event::{Event, ResourceType, Source};
use slipway_domain::name::{Actor, Note, Uid};
use slipway_store::{AdoptError, Adopted, AdoptedObject, Adoption, Head, Target, adopt};

use super::{history, live, unopened};
use crate::{Failure, answer};

/// How many numbers the archive can give to events.
const SEQS: u64 = i64::MAX.cast_unsigned();

/// Settles what object and archive disagree about.
///
/// Each Deployment and each Environment carries its newest events, and the archive has them all. Where the two tell
/// different histories (`audit_diverged`: etcd or the database was restored from a backup), nothing more happens to that
/// object until a person has looked at both sides and says with this command that it may go on. The controller prints
/// the command to run.
///
/// The side that knows more wins: where the archive has newer events, the object takes over the status that is archived;
/// where the object has, its status stands and the history goes on after its last event. Nothing is overwritten or
/// removed. The decision is itself an event (`release.adopted`, `environment.adopted`, `archive.adopted`) with the name of
/// who decided and why, and the controller goes on from it.
///
/// With --lost-head it is about the archive as a whole: the cluster remembers a head that this database does not have,
/// because it is an older copy or another one. Adopting accepts that what the head covered is gone from the archive, and
/// at its next start the controller goes on from every object that knows more, by the same decision.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(group(ArgGroup::new("what").required(true).args(["resource", "lost_head"])))]
pub(crate) struct Arguments {
    /// The archive. The controller may be running on it.
    #[arg(long, value_name = "FILE")]
    database: PathBuf,
    /// The uid of the Deployment or Environment.
    #[arg(long, value_name = "UID", requires = "object_seq")]
    resource: Option<Uid>,
    /// The number of the newest event that the object has, `status.audit.seq`: adopted is what was looked at.
    #[arg(long, value_name = "N", requires = "resource", value_parser = clap::value_parser!(u64).range(..SEQS))]
    object_seq: Option<u64>,
    /// The head that the cluster remembers and this archive does not have.
    #[arg(long, value_name = "ROW:HASH")]
    lost_head: Option<Head>,
    /// Who decides.
    #[arg(long, value_name = "NAME", value_parser = Actor::person)]
    actor: Actor,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    note: Note,
    #[command(flatten)]
    object: Object,
}

/// What the object is. The archive says so where it can; else the cluster, or these.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What the object is, where the archive does not know it")]
struct Object {
    /// Ask this cluster. Left out: asked only where it must be, as the pod's own account or by KUBECONFIG.
    #[arg(long, value_name = "FILE", conflicts_with = "lost_head")]
    kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig; left out: its current one.
    #[arg(long, requires = "kubeconfig")]
    context: Option<String>,
    /// Its kind, where no cluster can be asked.
    #[arg(long, requires_all = ["name", "environment", "status"], conflicts_with_all = ["kubeconfig", "lost_head"])]
    kind: Option<Kind>,
    /// Its namespace and name.
    #[arg(long, value_name = "NAMESPACE/NAME", requires = "kind", value_parser = full_name)]
    name: Option<String>,
    /// The name of its Environment; for an Environment its own.
    #[arg(long, requires = "kind")]
    environment: Option<String>,
    /// The Environment's project.
    #[arg(long, requires = "kind")]
    project: Option<String>,
    /// The Environment's team.
    #[arg(long, requires = "kind")]
    team: Option<String>,
    /// The status it is in, in the archive's words: `started`, `succeeded`, `failed`; `Active` for an Environment.
    #[arg(long, conflicts_with_all = ["kubeconfig", "lost_head"])]
    status: Option<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    Deployment,
    Environment,
}

fn full_name(text: &str) -> Result<String, String> {
    match text.split('/').collect::<Vec<_>>()[..] {
        [namespace, name] if !namespace.is_empty() && !name.is_empty() => Ok(text.to_owned()),
        _ => Err("must be a namespace and a name, joined by '/'".to_owned()),
    }
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { database, resource, object_seq, lost_head, actor, note, object } = arguments;
    let (target, sides) = match (resource, object_seq, lost_head) {
        (Some(uid), Some(seq), _) => {
            let (object, sides) = resolve(&database, &uid, seq, object)?;
            (Target::Object(object), sides)
        }
        (_, _, Some(lost)) => {
            let sides = format!("what {lost} covered is accepted as lost; the history goes on from here");
            (Target::Archive { lost }, sides)
        }
        _ => return Err(Failure::Usage("name an object with --resource and --object-seq".to_owned())),
    };
    let adoption = Adoption { target, actor, note, source: Source::Kubectl, at: now() };
    let adopted = adopt(&database, adoption).map_err(|error| refused(&error))?;
    answer(&report(&adopted, &sides))
}

/// Everything that the event says about the object, and in words what follows for it.
fn resolve(database: &Path, uid: &Uid, seq: u64, object: Object) -> Result<(AdoptedObject, String), Failure> {
    let Object { kubeconfig, context, kind, name, environment, project, team, status } = object;
    let mut archived = None;
    history::each(database, |event| {
        if event.resource_id == *uid {
            archived = Some(event);
        }
    })?;
    let archive_seq = archived.as_ref().map_or(0, |event: &Event| event.seq);
    // What the object knows and the archive does not, only the object can say, or the person who has looked at it.
    let unknown = seq > archive_seq && status.is_none();
    let known = match (archived, kind) {
        (archived, _) if unknown || kubeconfig.is_some() => {
            let live = live::find(kubeconfig.as_deref(), context, uid);
            let live = live.map_err(|error| if unknown { by_hand(&error, archived.is_none()) } else { error })?;
            agreed(&live, seq)?;
            let newer = archived.filter(|event| event.seq > seq).map(|event| event.status);
            AdoptedObject { status: newer.unwrap_or(live.status), ..live }
        }
        (Some(event), _) => of_event(event, status)?,
        (None, Some(kind)) => AdoptedObject {
            uid: uid.clone(),
            resource_type: match kind {
                Kind::Deployment => ResourceType::Deployment,
                Kind::Environment => ResourceType::Environment,
            },
            resource_name: name.unwrap_or_default(),
            project_id: project.unwrap_or_default(),
            team_id: team.unwrap_or_default(),
            environment_id: environment.unwrap_or_default(),
            status: status.unwrap_or_default(),
            seq,
        },
        (None, None) => {
            return Err(Failure::Usage(format!(
                "the archive does not know {uid}: let the cluster say what it is with --kubeconfig, or say so with \
                 --kind, --name, --environment and --status"
            )));
        }
    };
    Ok((AdoptedObject { seq, ..known }, sides(seq, archive_seq)))
}

fn of_event(event: Event, status: Option<String>) -> Result<AdoptedObject, Failure> {
    if event.resource_type == ResourceType::Archive {
        return Err(Failure::Usage(format!("{} is this archive itself; adopt it with --lost-head", event.resource_id)));
    }
    Ok(AdoptedObject {
        uid: event.resource_id,
        resource_type: event.resource_type,
        resource_name: event.resource_name,
        project_id: event.project_id,
        team_id: event.team_id,
        environment_id: event.environment_id,
        status: status.unwrap_or(event.status),
        seq: event.seq,
    })
}

/// The controller takes an adoption only for the very state of the object that it names.
fn agreed(live: &AdoptedObject, seq: u64) -> Result<(), Failure> {
    if live.seq == seq {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{} {} is at event {}, not at {seq}: look at it again, then give --object-seq {}",
        live.resource_type, live.resource_name, live.seq, live.seq
    )))
}

/// Asking the cluster is one way; saying it is the other.
fn by_hand(error: &Failure, unknown: bool) -> Failure {
    let flags = if unknown { "--kind, --name, --environment and --status" } else { "--status" };
    Failure::Usage(format!("the object is ahead of the archive, and {error}; or say what it is with {flags}"))
}

fn sides(object: u64, archive: u64) -> String {
    match archive.cmp(&object) {
        std::cmp::Ordering::Greater => {
            format!(
                "the archive knew more (event {archive}, the object {object}): the object takes over what is archived"
            )
        }
        std::cmp::Ordering::Less => {
            format!("the object knew more (event {object}, the archive {archive}): its status stands")
        }
        std::cmp::Ordering::Equal => format!("both were at event {object}: the object's status stands"),
    }
}

fn report(adopted: &Adopted, sides: &str) -> String {
    let Adopted { event, head } = adopted;
    format!(
        "recorded  {} as event {} of {} {} ({})\nby        {}: {}\nbecause   {sides}\nhead      {head}\nA running \
         controller goes on from it within seconds; one that is started later, at its start.\n",
        event.action,
        event.seq,
        event.resource_type,
        event.resource_name,
        event.resource_id,
        event.actor_id,
        event.detail.get("note").map_or("", String::as_str),
    )
}

fn refused(error: &AdoptError) -> Failure {
    match error {
        AdoptError::Open(error) => unopened(error),
        AdoptError::Contained { .. } | AdoptError::AlreadyAdopted { .. } | AdoptError::Record(_) => {
            Failure::No(slipway_controller::explain(error))
        }
        AdoptError::NotAnObject => Failure::Usage(error.to_string()),
    }
}

/// In whole microseconds, as the controller writes times.
#[expect(clippy::disallowed_methods, reason = "the only clock that a command reads")]
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
