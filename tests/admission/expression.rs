//! What the policies' expressions say, evaluated by another implementation of their language than the API server's.
//!
//! `authorizer` is played: its calls collect what is asked, and the case says what the caller holds.

use std::collections::BTreeSet;
use std::sync::Arc;

use cel::extractors::This;
use cel::{Context, Env, Program, to_value};
use serde_json::{Value, json};
use slipway_domain::code::Code;

use super::case::{Answer, Case};
use super::deed::Way;

/// A policy, its expressions compiled.
struct Policy {
    name: String,
    resources: Vec<String>,
    operations: Vec<String>,
    asks_there: bool,
    conditions: Vec<Program>,
    variables: Vec<(String, Program)>,
    validations: Vec<(Program, String, Option<Program>)>,
}

/// The policies that refuse, as they are generated.
pub struct Policies {
    env: Arc<Env>,
    all: Vec<Policy>,
}

impl Policies {
    pub fn generated() -> Self {
        let mut env = Env::stdlib();
        env.add_extension(cel::extensions::strings).unwrap();
        let env = Arc::new(env);
        let all = slipway_crd::install::policies();
        let refusing = all.iter().filter(|object| object["kind"] == "ValidatingAdmissionPolicy");
        Self { all: refusing.map(|policy| read(&env, policy)).collect(), env }
    }

    /// The answer of the first policy that refuses.
    pub fn answer(&self, case: &Case<'_>) -> Answer {
        let (operation, resource) = match case.deed.way {
            Way::Create => ("CREATE", "deployments"),
            Way::Spec => ("UPDATE", "deployments"),
            Way::Status => ("UPDATE", "deployments/status"),
            Way::Delete => ("DELETE", "deployments"),
        };
        let asked = self.all.iter().filter(|policy| {
            policy.resources.iter().any(|name| name == resource)
                && policy.operations.iter().any(|name| name == operation)
        });
        for policy in asked {
            let parameter = if policy.asks_there { case.index } else { &Value::Null };
            if let Some(code) = self.refused(policy, case, parameter) {
                return Err(code);
            }
        }
        Ok(())
    }

    fn refused(&self, policy: &Policy, case: &Case<'_>, parameter: &Value) -> Option<Code> {
        let mut context = Context::with_env(Arc::clone(&self.env));
        let (object, old) = match case.deed.way {
            Way::Delete => (&Value::Null, case.before.unwrap()),
            _ => (&case.after, case.before.unwrap_or(&Value::Null)),
        };
        let request = json!({"userInfo": {"username": case.who.name}, "namespace": super::case::NAMESPACE});
        for (name, value) in [("object", object), ("oldObject", old), ("params", parameter), ("request", &request)] {
            context.add_variable_from_value(name, to_value(value).unwrap());
        }
        authorizer(&mut context, case);
        let holds = |program: &Program, context: &Context<'_, '_>| match program.execute(context) {
            Ok(cel::Value::Bool(holds)) => holds,
            other => panic!("{}: {other:?} in {case:?}", policy.name),
        };
        if !policy.conditions.iter().all(|condition| holds(condition, &context)) {
            return None;
        }
        for (name, program) in &policy.variables {
            let value =
                program.execute(&context).unwrap_or_else(|error| panic!("{} {name}: {error} in {case:?}", policy.name));
            context.add_variable_from_value(name.clone(), value);
        }
        let (_, message, told) = policy.validations.iter().find(|(program, ..)| !holds(program, &context))?;
        let sentence = match told.as_ref().map(|told| told.execute(&context)) {
            None => message.clone(),
            Some(Ok(cel::Value::String(sentence))) => sentence.to_string(),
            Some(other) => panic!("{}: {other:?} in {case:?}", policy.name),
        };
        let (code, _) = sentence.split_once(": ").unwrap_or_else(|| panic!("{sentence:?} names no code"));
        Some(code.parse().unwrap())
    }
}

/// Plays `authorizer.group(…).resource(…).namespace(…).name(…).check(…).allowed()`: each call adds what it was given.
fn authorizer(context: &mut Context<'_, '_>, case: &Case<'_>) {
    type Text = Arc<String>;
    context.add_variable_from_value("authorizer", String::new());
    for step in ["group", "resource", "namespace", "name", "check"] {
        let add = |This(so_far): This<Text>, given: Text| -> Text { Arc::new(format!("{so_far}/{given}")) };
        context.add_function(step, add).unwrap();
    }
    let group = |resource: &str, name: &str, verb: &str| {
        format!("/slipway.dev/{resource}/{}/{name}/{verb}", super::case::NAMESPACE)
    };
    let verbs = |verbs: &[slipway_domain::admission::Verb], name: &str| {
        verbs.iter().map(|verb| group("environments", name, verb.as_str())).collect::<Vec<_>>()
    };
    let environment = case.after["spec"]["environmentRef"]["name"].as_str().unwrap_or_default();
    let mut held: BTreeSet<String> = verbs(case.who.verbs, environment).into_iter().collect();
    held.extend(verbs(case.who.elsewhere, "somewhere-else"));
    if case.who.verbs.contains(&slipway_domain::admission::Verb::ActAs) {
        let requester = case.after["spec"]["requester"].as_str().unwrap_or_default();
        held.insert(group("requesters", requester, "actas"));
    }
    context.add_function("allowed", move |This(asked): This<Text>| held.contains(asked.as_str())).unwrap();
}

fn read(env: &Env, policy: &Value) -> Policy {
    // A variable is a name of its own here; in a policy it is a field of one.
    let compile = |text: &Value| {
        let text = text.as_str().unwrap().replace("variables.", "variables_");
        env.compile(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
    };
    let texts =
        |value: &Value| value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let spec = &policy["spec"];
    let rule = &spec["matchConstraints"]["resourceRules"][0];
    Policy {
        name: policy["metadata"]["name"].as_str().unwrap().to_owned(),
        resources: texts(&rule["resources"]),
        operations: texts(&rule["operations"]),
        asks_there: spec["paramKind"]["kind"] == "EnvironmentIndex",
        conditions: list(&spec["matchConditions"]).iter().map(|condition| compile(&condition["expression"])).collect(),
        variables: list(&spec["variables"])
            .iter()
            .map(|variable| {
                (format!("variables_{}", variable["name"].as_str().unwrap()), compile(&variable["expression"]))
            })
            .collect(),
        validations: list(&spec["validations"])
            .iter()
            .map(|validation| {
                let message = validation["message"].as_str().unwrap().to_owned();
                let told = validation.get("messageExpression").map(compile);
                (compile(&validation["expression"]), message, told)
            })
            .collect(),
    }
}

#[test]
fn what_shows_nothing_is_the_same_to_the_expressions_and_to_the_domain() {
    use slipway_domain::blank::{INVISIBLE, VISIBLE, is_blank};
    let env = Arc::new(Env::stdlib());
    let program = env.compile(&format!("text.matches('{}')", VISIBLE.replace('\\', "\\\\"))).unwrap();
    let shows = |text: &str| {
        let mut context = Context::with_env(Arc::clone(&env));
        context.add_variable_from_value("text", text.to_owned());
        program.execute(&context).unwrap() == cel::Value::Bool(true)
    };
    let all: String = INVISIBLE.iter().flat_map(|(first, last)| *first..=*last).collect();
    assert!(!shows(&all) && is_blank(&all));
    // Where a range ends, something begins that shows, or another range.
    for (first, last) in INVISIBLE {
        let beside = [char::from_u32(u32::from(first).wrapping_sub(1)), char::from_u32(u32::from(last) + 1)];
        for one in beside.into_iter().flatten().map(String::from) {
            assert_eq!(shows(&one), !is_blank(&one), "{one:?}");
        }
    }
    for text in ["Re-apply web-v0", " a\n", "回滚", "\u{200B}x"] {
        assert!(shows(text) && !is_blank(text), "{text:?}");
    }
}
