//! Whether this process is the one whose status writes the API server accepts.

use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, PostParams};
use kube::{Client, Error};
use slipway_crd::install::NAMESPACE;
use slipway_domain::admission::SERVICE_ACCOUNT_PREFIX;

use crate::run::RunError;

/// The policy that says who writes status.
const POLICY: &str = "slipway-status";

/// Ends a start that could never write anything: the policy names one account, and this is another.
///
/// Where the policy is not installed nothing is refused here; what that means for decisions is not asked in this place.
/// Returns the namespace that Slipway is installed in, which is the account's.
pub(crate) async fn check(client: &Client) -> Result<String, RunError> {
    let unreadable =
        |error: Error| RunError::Cluster(format!("the API server does not say who calls: {}", crate::explain(&error)));
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await.map_err(unreadable)?;
    let caller = review.status.and_then(|status| status.user_info?.username).unwrap_or_default();
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let policy = match policies.get_opt(POLICY).await {
        Ok(policy) => policy,
        // Whoever may not read policies is told so where they are watched.
        Err(Error::Api(_)) => None,
        Err(error) => return Err(unreadable(error)),
    };
    let validations = policy.and_then(|policy| policy.spec?.validations).unwrap_or_default();
    if validations.iter().all(|validation| validation.expression.contains(&format!("'{caller}'"))) {
        let account = caller.strip_prefix(SERVICE_ACCOUNT_PREFIX).and_then(|account| account.split_once(':'));
        return Ok(account.map_or(NAMESPACE, |(namespace, _)| namespace).to_owned());
    }
    Err(RunError::Cluster(format!(
        "{caller} may not write status: the policy {POLICY} lets only the controller's own account. Run it with that \
         account's kubeconfig: `slipway kubeconfig --output FILE` writes one"
    )))
}
