//! Whether a freeze holds a Deployment, for whoever is about to override one.

use kube::api::Api;
use slipway_crd::{Environment, parse};

use super::access::Access;
use super::seen::Seen;
use super::{clock, refusal};

/// Why to override a freeze would change nothing now. None where one is open, and where that cannot be seen.
pub(super) async fn needless(access: &Access, seen: &Seen) -> Option<String> {
    let name = &seen.object.spec.environment_ref.name;
    let api: Api<Environment> = access.api();
    let environment = refusal::timed(api.get(name)).await.ok()?;
    let policy = parse::environment(&environment).ok()?.policy;
    let now = clock::now();
    if policy.frozen(now).is_some() {
        return None;
    }
    let coming = policy.freeze_windows.iter().map(|window| window.start).filter(|start| *start > now).min();
    let coming = coming.map(|start| format!(", and the next one begins at {start}")).unwrap_or_default();
    Some(format!("no freeze window is open in environment {name} now{coming}: there is nothing to override"))
}
