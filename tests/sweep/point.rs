//! Every effect of a controller has a name that is the same in every run of a scenario.
//!
//! A point is `<verb> <resource>[.<group>]/<name>[/<subresource>]` for a request that changes something (or, where a fault
//! asks for it, one that reads one object), or `commit <label>` for a transaction of the archive, and the how-many-th of
//! its name it is. No name contains the namespace, a uid or a time.

use std::fmt;
use std::str::FromStr;

use http::Method;
use serde_json::Value;

/// One effect: its name and the how-many-th of that name it is, from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// What it is.
    pub name: String,
    /// Which of them.
    pub number: u32,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} #{}", self.name, self.number)
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.rsplit_once(" #").and_then(|(name, number)| Some((name.to_owned(), number.parse().ok()?)));
        parts.map(|(name, number)| Self { name, number }).ok_or_else(|| format!("{text:?} is not `<name> #<number>`"))
    }
}

/// What a request would be, as far as faults are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// It changes nothing, or nothing that counts: lists, watches, dry-runs, questions, Events.
    None,
    /// It reads one object. It is a point only for a fault that names it: how often things are read is a matter of time.
    Read(String),
    /// It writes a Lease; what exactly depends on what was written before.
    Lease {
        /// Nobody holds it afterwards.
        released: bool,
        /// Only the annotation is written.
        annotation: bool,
    },
    /// It writes an object.
    Write(String),
}

/// Classifies a request. The body is looked at where the path does not tell.
pub(super) fn effect(method: &Method, path: &str, query: &str, body: &Value) -> Effect {
    let verb = match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        Method::GET => "get",
        _ => return Effect::None,
    };
    if query.contains("dryRun=") {
        return Effect::None;
    }
    let mut parts = path.trim_matches('/').split('/');
    let group = match parts.next() {
        Some("apis") => parts.next().unwrap_or_default(),
        _ => "",
    };
    let rest: Vec<&str> = parts.skip(1).collect();
    let rest = match rest.as_slice() {
        ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
        rest => rest,
    };
    // Questions are asked with POST; Events are for people and may be lost.
    let uncounted = matches!(group, "authorization.k8s.io" | "authentication.k8s.io" | "events.k8s.io");
    let Some((&resource, rest)) = rest.split_first() else { return Effect::None };
    if uncounted || resource == "events" {
        return Effect::None;
    }
    if verb == "get" && rest.is_empty() {
        return Effect::None;
    }
    if resource == "leases" && verb != "get" {
        let holder = body.pointer("/spec/holderIdentity").and_then(Value::as_str).unwrap_or_default();
        return Effect::Lease { released: verb != "patch" && holder.is_empty(), annotation: verb == "patch" };
    }
    let name = rest.first().copied().or_else(|| body.pointer("/metadata/name").and_then(Value::as_str));
    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
    let below = rest.get(1).map(|name| format!("/{name}")).unwrap_or_default();
    let name = format!("{verb} {resource}{group}/{}{below}", name.unwrap_or_default());
    if verb == "get" { Effect::Read(name) } else { Effect::Write(name) }
}

/// The names of the requests that share a commit, without what differs from run to run.
pub(super) fn commits(label: &str, namespace: &str) -> Vec<String> {
    let parts = label.split(", ").map(|part| match part.strip_prefix("epoch ") {
        Some(_) => "commit epoch".to_owned(),
        None => format!("commit {}", part.replace(&format!("/{namespace}/"), "/")),
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_write_is_named_by_what_it_writes() {
        let name = |method, path, body| effect(&method, path, "fieldManager=slipway", &body);
        let status = "/apis/slipway.dev/v1alpha1/namespaces/shop/deployments/web-v1/status";
        let expected = Effect::Write("update deployments.slipway.dev/web-v1/status".into());
        assert_eq!(name(Method::PUT, status, json!({})), expected);
        let apply = name(Method::PATCH, "/api/v1/namespaces/shop/configmaps/web", json!({}));
        assert_eq!(apply, Effect::Write("patch configmaps/web".into()));
        let create = name(Method::POST, "/api/v1/namespaces/shop/configmaps", json!({"metadata": {"name": "web"}}));
        assert_eq!(create, Effect::Write("create configmaps/web".into()));
    }

    #[test]
    fn what_changes_nothing_is_no_point() {
        let none = |method, path, query| assert_eq!(effect(&method, path, query, &Value::Null), Effect::None);
        none(Method::GET, "/api/v1/namespaces/shop/configmaps", "watch=true");
        none(Method::GET, "/version", "");
        none(Method::PATCH, "/api/v1/namespaces/shop/configmaps/web", "dryRun=All&force=true");
        none(Method::POST, "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "");
        none(Method::POST, "/apis/events.k8s.io/v1/namespaces/shop/events", "");
    }

    #[test]
    fn a_read_of_one_object_has_a_name() {
        let read = |path| effect(&Method::GET, path, "", &Value::Null);
        let expected = Effect::Read("get configmaps/web".into());
        assert_eq!(read("/api/v1/namespaces/shop/configmaps/web"), expected);
        let lease = "/apis/coordination.k8s.io/v1/namespaces/shop/leases/slipway";
        assert_eq!(read(lease), Effect::Read("get leases.coordination.k8s.io/slipway".into()));
    }

    #[test]
    fn a_lease_that_nobody_holds_is_released() {
        let path = "/apis/coordination.k8s.io/v1/namespaces/shop/leases/slipway";
        let lease = |holder: &str| effect(&Method::PUT, path, "", &json!({"spec": {"holderIdentity": holder}}));
        assert_eq!(lease("me"), Effect::Lease { released: false, annotation: false });
        assert_eq!(lease(""), Effect::Lease { released: true, annotation: false });
    }

    #[test]
    fn commits_that_are_shared_are_points_of_their_own() {
        let label = "record deployments/s-1/web-v1 release.created, record environments/s-1/dev environment.created";
        let expected =
            ["commit record deployments/web-v1 release.created", "commit record environments/dev environment.created"];
        assert_eq!(commits(label, "s-1"), expected);
        assert_eq!(commits("epoch 7", "s-1"), ["commit epoch"]);
    }

    #[test]
    fn a_point_reads_back() {
        let point = Point { name: "patch configmaps/web".into(), number: 2 };
        assert_eq!(point.to_string().parse(), Ok(point));
    }
}
