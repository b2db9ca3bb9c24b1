//! What a refusal says: the domain's own sentence, with the facts of the request where the domain's facts stand.

use serde_json::{Value, json};
use slipway_domain::admission::Verb;
use slipway_domain::code::Code;
use slipway_domain::name::Actor;
use slipway_domain::refusal::Refusal;

/// A fact that only the API server knows: what stands for it in the domain's sentence, and the expression that gives it.
pub(super) struct Fact {
    pub(super) stands_for: String,
    pub(super) expression: String,
}

pub(super) fn fact(stands_for: &str, expression: impl Into<String>) -> Fact {
    Fact { stands_for: stands_for.to_owned(), expression: expression.into() }
}

/// One validation: `holds`, or else the request is refused in the words of `refusal`.
pub(super) fn validation(holds: &str, refusal: &Refusal, facts: &[Fact]) -> Value {
    let code = refusal.code();
    let sentence = format!("{code}: {refusal}");
    let reason = if matches!(code, Code::Forbidden | Code::SelfApproval) { "Forbidden" } else { "Invalid" };
    if facts.is_empty() {
        return json!({"expression": holds, "message": sentence, "reason": reason});
    }
    json!({"expression": holds, "message": code.as_str(), "messageExpression": concatenated(&sentence, facts), "reason": reason})
}

/// The sentence as an expression: texts and facts, one after the other.
fn concatenated(sentence: &str, facts: &[Fact]) -> String {
    let mut rest = sentence;
    let mut parts = Vec::new();
    let next = |rest: &str| {
        let found = facts.iter().filter_map(|fact| Some((rest.find(&fact.stands_for)?, fact)));
        found.min_by_key(|(at, _)| *at).map(|(at, fact)| (at, fact.stands_for.len(), fact.expression.clone()))
    };
    while let Some((at, length, expression)) = next(rest) {
        parts.extend((at > 0).then(|| literal(&rest[..at])));
        parts.push(expression);
        rest = &rest[at + length..];
    }
    parts.extend((!rest.is_empty()).then(|| literal(rest)));
    parts.join(" + ")
}

/// A text in an expression.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

pub(super) fn not_the_caller(field: &str, holds: &str, named: &str) -> Value {
    let refusal =
        Refusal::NotTheCaller { field: field.to_owned(), caller: stand_in("CALLER"), named: stand_in("NAMED") };
    validation(holds, &refusal, &[fact("CALLER", "variables.caller"), fact("NAMED", named)])
}

pub(super) fn forbidden(verb: Verb, holds: &str) -> Value {
    let (environment, actor) = ("ENVIRONMENT".to_owned(), stand_in("CALLER"));
    let refusal = Refusal::Forbidden { actor, verb: verb.as_str(), environment };
    let facts = [fact("CALLER", "variables.caller"), fact("ENVIRONMENT", "variables.environment")];
    validation(holds, &refusal, &facts)
}

pub(super) fn invalid(field: &str, problem: &str, holds: &str) -> Value {
    validation(holds, &Refusal::Invalid { field: field.to_owned(), problem: problem.to_owned() }, &[])
}

/// A name that only the API server knows.
pub(super) fn stand_in(word: &'static str) -> Actor {
    Actor::stand_in(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_take_their_places_in_the_domains_own_sentence() {
        let refusal = Refusal::Invalid { field: "spec.x".into(), problem: "it's WHAT and not 'WHO'".into() };
        let said = validation("true", &refusal, &[fact("WHO", "caller"), fact("WHAT", "string(1)")]);
        let expected = r"'validation_failed: spec.x: it\'s ' + string(1) + ' and not \'' + caller + '\''";
        assert_eq!(said["messageExpression"], expected);
    }
}
