//! `kubectl slipway doctor`: is everything installed as it should be, does the controller work, and what may I do?

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Api;
use serde_json::{Value, json};
use slipway_domain::guard::Problem;

use super::access::{Access, Globals};
use super::inbox::listed;
use super::installed::{self, DEFINITION, Installed, State};
use super::output::{self, Output};
use super::paint::Paint;
use super::rights::{self, Rights, VERBS};
use super::table::{Table, plain};
use super::{clock, name, refusal};
use crate::{Failure, answer};

/// What is looked at.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Ask for your rights in all namespaces.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// The namespace that Slipway is installed in; left out: the one whose account its policies name.
    #[arg(long, value_name = "NAME", value_parser = name::namespace)]
    slipway_namespace: Option<String>,
    /// The namespace of the lease that says which controller leads; left out: Slipway's own.
    #[arg(long, value_name = "NAME", value_parser = name::namespace)]
    lease_namespace: Option<String>,
    /// The name of that lease.
    #[arg(long, value_name = "NAME", default_value = "slipway", value_parser = name::object)]
    lease_name: String,
    /// Print what was found in this format.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

/// Who may look where people usually may not.
const AUDITOR: &str = "who has the role slipway-auditor";

/// What is known of the controller.
#[derive(Debug)]
enum Pulse {
    /// It renewed its lease in time.
    Alive { holder: String, renewed: Timestamp },
    /// It did not.
    Late { holder: String, renewed: Option<Timestamp> },
    /// There is no lease.
    Never,
    /// The caller may not see it.
    Unknown(String),
}

impl Pulse {
    fn text(&self, now: Timestamp, paint: Paint) -> String {
        let ago = |at: &Timestamp| clock::relative(*at, now);
        match self {
            Self::Alive { holder, renewed } => {
                format!("{} {}, renewed {}", paint.green("alive"), plain(holder), ago(renewed))
            }
            Self::Late { holder, renewed } => {
                let renewed = renewed
                    .as_ref()
                    .map_or_else(|| "never renewed".to_owned(), |at| format!("last renewed {}", ago(at)));
                format!("{} {}, {renewed}\n  next: start it, and see its log", paint.red("not alive"), plain(holder))
            }
            Self::Never => format!("{}: there is no lease\n  next: run `slipway controller`", paint.red("never seen")),
            Self::Unknown(why) => format!("{}: {}", paint.yellow("not known"), plain(why)),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Alive { holder, renewed } => json!({"state": "alive", "holder": holder, "renewedAt": renewed}),
            Self::Late { holder, renewed } => json!({"state": "notAlive", "holder": holder, "renewedAt": renewed}),
            Self::Never => json!({"state": "neverSeen"}),
            Self::Unknown(why) => json!({"state": "unknown", "message": why}),
        }
    }

    fn wrong(&self) -> bool {
        matches!(self, Self::Late { .. } | Self::Never)
    }
}

pub(super) async fn run(globals: &Globals, arguments: Arguments) -> Result<(), Failure> {
    let Arguments { all_namespaces, slipway_namespace, lease_namespace, lease_name, output } = arguments;
    let access = globals.open().await?;
    let caller = access.whoami().await?;
    let installed = installed::look(&access, slipway_namespace.as_deref()).await?;
    let pulse = pulse(&access, lease_namespace.as_deref().unwrap_or(&installed.namespace), &lease_name).await;
    // Without the definitions there is nothing to have rights on.
    let environments = match listed(access.some(all_namespaces), "listing Environments").await {
        Ok(environments) => environments,
        Err(failure) => {
            eprintln!("warning: {failure}");
            Vec::new()
        }
    };
    let rights = rights::of(&access, &environments).await?;
    match output {
        Some(output) => output::print(output, &all(&caller, &installed, &pulse, &rights), &names(&installed))?,
        None => answer(&report(&caller, &installed, &pulse, &rights, all_namespaces, Paint::stdout()))?,
    }
    if installed.wrong() || pulse.wrong() {
        return Err(Failure::No("not everything is as it should be: see what is marked above".to_owned()));
    }
    Ok(())
}

async fn pulse(access: &Access, namespace: &str, name: &str) -> Pulse {
    let api: Api<Lease> = Api::namespaced(access.client.clone(), namespace);
    let lease = match refusal::timed(api.get(name)).await {
        Ok(lease) => lease,
        Err(error) if refusal::missing(&error) => return Pulse::Never,
        Err(kube::Error::Api(status)) if status.code == 403 => {
            return Pulse::Unknown(format!("you may not see its lease in namespace {namespace}; {AUDITOR} may"));
        }
        Err(kube::Error::Api(status)) => return Pulse::Unknown(status.message.clone()),
        Err(error) => return Pulse::Unknown(slipway_controller::explain(&error)),
    };
    judged(&lease, clock::now())
}

/// What a lease tells: alive is who renewed it within the time it is good for.
fn judged(lease: &Lease, now: Timestamp) -> Pulse {
    let Some(spec) = &lease.spec else { return Pulse::Never };
    let holder = spec.holder_identity.clone().unwrap_or_default();
    let renewed = spec.renew_time.as_ref().map(|time| time.0);
    let good = SignedDuration::from_secs(i64::from(spec.lease_duration_seconds.unwrap_or(0)));
    match renewed {
        Some(renewed) if !holder.is_empty() && now.duration_since(renewed) <= good => Pulse::Alive { holder, renewed },
        renewed => Pulse::Late { holder, renewed },
    }
}

fn report(
    caller: &str,
    installed: &Installed,
    pulse: &Pulse,
    rights: &[Rights],
    everywhere: bool,
    paint: Paint,
) -> String {
    let namespace = plain(&installed.namespace);
    let heading = paint.bold("Installed");
    let mut text = format!("You are {}.\n\n{heading}, for Slipway in namespace {namespace}\n", plain(caller));
    text.push_str(&parts(installed, paint));
    let alive = pulse.text(clock::now(), paint);
    let _ = writeln!(text, "\n{}\n  {alive}\n\n{}", paint.bold("Controller"), paint.bold("What you may do"));
    if rights.is_empty() {
        text.push_str("  no Environment is to be seen here; -n or -A looks elsewhere\n");
        return text;
    }
    let mut heading = vec!["ENVIRONMENT"];
    heading.extend(VERBS.map(slipway_domain::admission::Verb::as_str));
    let mut table = Table::new(&heading);
    for one in rights {
        let name = if everywhere { format!("{}/{}", one.namespace, one.environment) } else { one.environment.clone() };
        let held = one.held.iter().map(|held| if *held { "yes" } else { "no" }.to_owned());
        table.row(&[name].into_iter().chain(held).collect::<Vec<_>>());
    }
    for line in table.text(paint).lines() {
        let _ = writeln!(text, "  {line}");
    }
    text
}

/// What is as generated and what is not; what the caller may not see in one line.
fn parts(installed: &Installed, paint: Paint) -> String {
    let mut text = String::new();
    for part in &installed.parts {
        let state = match &part.state {
            State::Same => paint.green("as generated"),
            State::Wrong(Problem::Missing) => paint.red("missing"),
            State::Wrong(Problem::Deleting) => paint.red("being deleted"),
            State::Wrong(Problem::Altered { at }) => format!("{} at {}", paint.red("altered"), plain(at)),
            State::Unknown(why) | State::Wrong(Problem::Unread { why }) => {
                format!("{}: {}", paint.yellow("not known"), plain(why))
            }
            State::Hidden => continue,
        };
        let _ = writeln!(text, "  {} {}  {state}", part.kind, part.name);
    }
    if let Some(elsewhere) = &installed.elsewhere {
        let _ = writeln!(
            text,
            "  {} for namespace {}: the policies that are there are those of Slipway in namespace {}\n  next: leave out \
             --slipway-namespace, or name that one",
            paint.red("nothing is installed"),
            plain(&installed.namespace),
            plain(elsewhere)
        );
    }
    if installed.altered() {
        text.push_str(
            "  next: bring it back as it was: `slipway manifests | kubectl apply --server-side -f -`, or the chart, of the \
             controller's own version; what is altered is deleted first\n",
        );
    }
    let hidden = |definition: bool| {
        let of = |kind: &str| (kind == DEFINITION) == definition;
        installed.parts.iter().filter(|part| part.state == State::Hidden && of(&part.kind)).count()
    };
    if hidden(false) > 0 {
        let _ = writeln!(
            text,
            "  you may not see the {} policies and bindings that check who decides; {AUDITOR} may. Whether they are in \
             force the controller says: it is ready then (/readyz), and what waits because they are not names them",
            hidden(false)
        );
    }
    if hidden(true) > 0 {
        let _ = writeln!(text, "  you may not see the {} definitions; who administers the cluster may", hidden(true));
    }
    text
}

fn all(caller: &str, installed: &Installed, pulse: &Pulse, rights: &[Rights]) -> Value {
    let parts: Vec<Value> = installed
        .parts
        .iter()
        .map(|part| {
            let (state, detail) = match &part.state {
                State::Same => ("asGenerated", Value::Null),
                State::Wrong(Problem::Missing) => ("missing", Value::Null),
                State::Wrong(Problem::Deleting) => ("deleting", Value::Null),
                State::Wrong(Problem::Altered { at }) => ("altered", json!(at)),
                State::Hidden => ("hidden", Value::Null),
                State::Unknown(why) | State::Wrong(Problem::Unread { why }) => ("unknown", json!(why)),
            };
            json!({"kind": part.kind, "name": part.name, "state": state, "detail": detail})
        })
        .collect();
    let rights: Vec<Value> = rights
        .iter()
        .map(|one| {
            let held: Vec<&str> =
                VERBS.iter().zip(&one.held).filter(|(_, held)| **held).map(|(verb, _)| verb.as_str()).collect();
            json!({"namespace": one.namespace, "environment": one.environment, "verbs": held})
        })
        .collect();
    json!({
        "you": caller, "namespace": installed.namespace, "elsewhere": installed.elsewhere, "installed": parts, "controller": pulse.json(),
        "rights": rights,
    })
}

fn names(installed: &Installed) -> Vec<String> {
    installed.parts.iter().map(|part| format!("{}/{}", part.kind.to_lowercase(), part.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(spec: &Value) -> Lease {
        serde_json::from_value(json!({"metadata": {"name": "slipway"}, "spec": spec})).unwrap()
    }

    #[test]
    fn alive_is_who_renewed_in_time_and_has_not_let_go() {
        let now = "2026-01-01T00:00:20Z".parse().unwrap();
        let renewed = |at: &str, holder: &str| {
            let spec = json!({"holderIdentity": holder, "renewTime": at, "leaseDurationSeconds": 15});
            judged(&lease(&spec), now)
        };
        assert!(matches!(renewed("2026-01-01T00:00:05.000000Z", "a"), Pulse::Alive { .. }));
        assert!(matches!(renewed("2026-01-01T00:00:04.000000Z", "a"), Pulse::Late { .. }));
        assert!(matches!(renewed("2026-01-01T00:00:19.000000Z", ""), Pulse::Late { .. }));
        assert!(matches!(judged(&lease(&json!({})), now), Pulse::Late { renewed: None, .. }));
    }
}
