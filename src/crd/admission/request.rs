//! Who may ask for a Deployment: `domain::admission::create` and `request`, in the API server's words.

use slipway_domain::admission::{SERVICE_ACCOUNT_PREFIX, UNDECIDED_AT_FIRST, Verb};
use slipway_domain::blank::VISIBLE;
use slipway_domain::policy::Tier;
use slipway_domain::refusal::Refusal;

use super::caller::{self, CALLER, may};
use super::deployment::{DEPLOYMENTS, ENVIRONMENT, LISTS, SINGLES};
use super::path::present;
use super::policy::{Refusing, THERE};
use super::sentence::{fact, forbidden, invalid, literal, not_the_caller, stand_in, validation};
use crate::environment_index::Terms;

/// Whether what is asked for is a return to an older release.
const BACK: &str = "has(object.spec.operation.rollback)";

/// Creation, by what the request says itself.
pub(super) fn asked() -> Refusing {
    let mut policy = Refusing::new("slipway-deployment-asked", DEPLOYMENTS, &["CREATE"]);
    for (name, expression) in asking() {
        policy.variable(name, expression);
    }
    policy.refuse(not_the_caller("spec.submittedBy", "variables.submitter == variables.caller", "variables.submitter"));
    let requester = stand_in("REQUESTER");
    let stranger = Refusal::MayNotActFor { actor: stand_in("CALLER"), requester };
    let facts = [fact("CALLER", "variables.caller"), fact("REQUESTER", "variables.requester")];
    policy.refuse(validation("variables.named", &stranger, &facts));
    policy.refuse(forbidden(Verb::Deploy, &format!("{BACK} || variables.may")));
    policy.refuse(forbidden(Verb::Rollback, &format!("!{BACK} || variables.may")));
    policy.refuse(invalid("spec", UNDECIDED_AT_FIRST, "variables.undecided"));
    let references = "must name at least one ticket, issue or pull request";
    policy.refuse(invalid("spec.workReferences", references, "object.spec.workReferences.size() > 0"));
    policy.refuse(invalid("spec.rollbackPlan", "must say how to get out again", &planned()));
    policy
}

/// What is known of a request. `sound` is everything that can be judged without its Environment.
fn asking() -> Vec<(&'static str, String)> {
    let empty = LISTS.map(|list| format!("(!has(object.spec.{list}) || object.spec.{list}.size() == 0)"));
    let absent = SINGLES.map(|path| format!("!({})", present("object", path)));
    let undecided: Vec<_> = empty.into_iter().chain(absent).collect();
    vec![
        ("caller", CALLER.to_owned()),
        ("environment", ENVIRONMENT.to_owned()),
        ("submitter", "has(object.spec.submittedBy) ? object.spec.submittedBy : ''".to_owned()),
        ("requester", "has(object.spec.requester) ? object.spec.requester : ''".to_owned()),
        ("named", format!("variables.requester == variables.caller || {}", caller::acts_as("variables.requester"))),
        ("may", format!("{BACK} ? {} : {}", may(Verb::Rollback), may(Verb::Deploy))),
        ("undecided", undecided.join(" && ")),
        (
            "sound",
            format!(
                "variables.submitter == variables.caller && variables.named && variables.may && variables.undecided \
                 && object.spec.workReferences.size() > 0 && {}",
                planned()
            ),
        ),
    ]
}

/// Whether the plan for getting out says anything.
fn planned() -> String {
    format!("object.spec.rollbackPlan.matches({})", literal(VISIBLE))
}

/// Creation, by what the Environment asks for. It says nothing where the other policy refuses already: of two refusals
/// the API server shows any.
pub(super) fn asked_there() -> Refusing {
    let mut policy = Refusing::new("slipway-deployment-asked-there", DEPLOYMENTS, &["CREATE"]);
    policy.ask_there("true");
    for (name, expression) in asking() {
        policy.variable(name, expression);
    }
    let production = Terms::is_tier(THERE, Tier::Production);
    policy.refuse(invalid(
        "spec.risk",
        "is required for production: say what could go wrong",
        &format!(
            "!variables.sound || !({production}) || (has(object.spec.risk) && object.spec.risk.matches({}))",
            literal(VISIBLE)
        ),
    ));
    policy.refuse(invalid(
        "spec.operation.deploy.version",
        "is for the manual runtime: name a Release instead",
        &format!(
            "!variables.sound || {} || !has(object.spec.operation.deploy) || !has(object.spec.operation.deploy.version)",
            Terms::by_hand(THERE)
        ),
    ));
    let machine = Refusal::RequesterRequired { submitter: stand_in("CALLER") };
    let holds = format!(
        "!variables.sound || !({}) || !variables.requester.startsWith({})",
        Terms::reviewed(THERE),
        literal(SERVICE_ACCOUNT_PREFIX)
    );
    policy.refuse(validation(&holds, &machine, &[fact("CALLER", "variables.caller")]));
    policy
}
