//! An Environment is ready when its namespace is there and its account may write in it.

use http::Request;
use serde_json::{Value, json};
use slipway_domain::code::Code;
use slipway_domain::runtime::Failure;

use crate::client::{Access, ask, built};
use crate::failure::{self, Asked};
use crate::runtime::Runtime;
use crate::target::Target;

impl Runtime {
    /// That `target` can be deployed to, as far as can be told without a release: asks two questions, writes nothing.
    ///
    /// # Errors
    /// What is missing, and the command that creates it.
    pub async fn ready(&self, target: &Target) -> Result<(), Failure> {
        let access = Access::new(&self.base, target)?;
        let rules = self.rules(&access).await?;
        self.namespace_exists(&access).await?;
        if may_write(&rules) {
            return Ok(());
        }
        let Target { user, namespace, .. } = target;
        let grant = failure::grant(target);
        let message =
            format!("{user} may not write anything in namespace {namespace}: give it a role, for instance {grant}");
        Err(failure::refused(Code::CredentialsRejected, message))
    }

    /// The namespace is read as the account, or else as Slipway; where neither may, its absence shows at the first write.
    async fn namespace_exists(&self, access: &Access<'_>) -> Result<(), Failure> {
        let target = access.target;
        let url = format!("/api/v1/namespaces/{}", target.namespace);
        let question = || built(Request::get(&url).body(Vec::new()));
        for client in [&access.client, &self.base] {
            match ask(client, question).await {
                Ok(namespace) if namespace["status"]["phase"] == "Terminating" => {
                    let message = format!("namespace {} is being deleted", target.namespace);
                    return Err(failure::refused(Code::NotFound, message));
                }
                Ok(_) => return Ok(()),
                Err(error) if error.not_found() => {
                    return Err(failure::refused(Code::NotFound, failure::no_namespace(target)));
                }
                Err(error) if error.passing() => {
                    let asked = Asked { verb: "get", resource: "namespaces", subject: &url };
                    return Err(failure::of_call(&error, asked, target));
                }
                Err(error) => tracing::debug!(error = error.message(), "the namespace cannot be read"),
            }
        }
        Ok(())
    }

    /// What the account may do in the namespace. Everybody may ask this about themselves.
    async fn rules(&self, access: &Access<'_>) -> Result<Value, Failure> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": access.target.namespace},
        });
        let url = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
        let question = || {
            let request = Request::post(url).header(http::header::CONTENT_TYPE, "application/json");
            built(request.body(review.to_string().into_bytes()))
        };
        ask(&access.client, question).await.map_err(|error| {
            let asked = Asked { verb: "create", resource: "selfsubjectrulesreviews", subject: "rights" };
            failure::of_call(&error, asked, access.target)
        })
    }
}

/// Some object can be applied. Authorizers that cannot list their rules are believed: the release will show.
fn may_write(review: &Value) -> bool {
    let rules = review["status"]["resourceRules"].as_array();
    let writes = |rule: &Value| {
        let verbs = rule["verbs"].as_array();
        verbs.is_some_and(|verbs| verbs.iter().any(|verb| verb == "patch" || verb == "*"))
    };
    review["status"]["incomplete"] == true || rules.is_some_and(|rules| rules.iter().any(writes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(json!({"status": {"resourceRules": [{"verbs": ["create"]}, {"verbs": ["get", "list"]}]}}), false)]
    #[case(json!({"status": {"resourceRules": [{"verbs": ["get", "patch"]}]}}), true)]
    #[case(json!({"status": {"resourceRules": [{"verbs": ["*"]}]}}), true)]
    #[case(json!({"status": {"incomplete": true, "resourceRules": []}}), true)]
    #[case(json!({}), false)]
    fn an_account_that_may_patch_something_may_write(#[case] review: Value, #[case] may: bool) {
        assert_eq!(may_write(&review), may);
    }
}
