//! Every role, action, phase and tier, asked of all three.

use std::collections::BTreeMap;

use serde_json::Value;

use super::case::{Answer, Case, NAMESPACE};
use super::deed::{ASKED, Deed, SAID, Way};
use super::expression::Policies;
use super::people::{PEOPLE, Person};
use super::place::{self, PLACES, Place};
use super::situation::{SITUATIONS, request};
use super::{domain, server};

/// Those who do a deed: who is no person does only what the controllers do.
pub fn doers(deed: &Deed) -> impl Iterator<Item = Person> {
    let controllers = matches!(deed.way, Way::Delete | Way::Status);
    PEOPLE.into_iter().filter(move |person| {
        controllers
            || !person.name.starts_with("system:serviceaccount:slipway")
                && !person.name.starts_with("system:serviceaccount:kube")
    })
}

/// A request of `who`, stamped as the API server stamps it.
pub fn asked(deed: &Deed, place: Place, namespace: &str, who: &Person) -> Value {
    let mut object = deed.done(&request(place, namespace, "new"), who.name);
    object["spec"]["submittedBy"] = who.name.into();
    object["metadata"]["uid"] = "6f3c1c9e-0000-4000-8000-000000000003".into();
    object["metadata"]["creationTimestamp"] = "2026-01-02T03:04:05Z".into();
    object
}

/// Calls `ask` with each case and the name of its row.
fn every(mut ask: impl FnMut(&str, &Case<'_>)) {
    let index = place::index(NAMESPACE);
    for place in PLACES {
        for deed in ASKED {
            for who in doers(&deed) {
                let after = asked(&deed, place, NAMESPACE, &who);
                let case = Case { who, deed, place, before: None, after, index: &index };
                ask(&format!("{} | new", deed.name), &case);
            }
        }
        for deed in SAID {
            for situation in SITUATIONS {
                let before = situation.deployment(place, NAMESPACE);
                for who in doers(&deed) {
                    let after = deed.done(&before, who.name);
                    // To say again what stands is to say nothing.
                    if after == before && matches!(deed.way, Way::Spec | Way::Status) {
                        continue;
                    }
                    let case = Case { who, deed, place, before: Some(&before), after, index: &index };
                    ask(&format!("{} | {} {}", deed.name, situation.phase, situation.name), &case);
                }
            }
        }
    }
}

/// The domain's answers, as a table: a row for each deed and situation, the places that answer alike together.
fn table() -> String {
    let mut rows: Vec<(String, BTreeMap<&'static str, Vec<String>>)> = Vec::new();
    every(|row, case| {
        if rows.iter().all(|(name, _)| name != row) {
            rows.push((row.to_owned(), BTreeMap::new()));
        }
        let (_, places) = rows.iter_mut().find(|(name, _)| name == row).unwrap();
        let first = case.who.name.split('@').next().unwrap().rsplit(':').next().unwrap();
        places.entry(case.place.name).or_default().push(format!("{first} {}", word(domain::answer(case))));
    });
    let mut text = String::from(
        "# deed | situation | places: who gets which answer. Written anew with UPDATE_GOLDEN=1.\n\
         # alice asked, ci created it for her, bob reviews, olga is on call, petra governs, mallory holds no verb,\n\
         # bert holds every verb on another Environment.\n",
    );
    for (row, places) in rows {
        let mut alike: Vec<(String, Vec<&str>)> = Vec::new();
        for (place, answers) in places {
            let answers = answers.join(", ");
            match alike.iter_mut().find(|(known, _)| *known == answers) {
                Some((_, names)) => names.push(place),
                None => alike.push((answers, vec![place])),
            }
        }
        for (answers, names) in alike {
            text.extend([row.as_str(), " | ", &names.join(" "), ": ", &answers, "\n"]);
        }
    }
    text
}

/// Whether two say the same. What a schema refuses, before any policy is asked, has one code there.
pub fn agree(deed: &Deed, one: Answer, other: Answer) -> bool {
    if deed.misshapen { one.is_err() == other.is_err() } else { one == other }
}

pub fn word(answer: Answer) -> &'static str {
    match answer {
        Ok(()) => "yes",
        Err(code) => code.as_str(),
    }
}

#[test]
fn the_table_says_what_the_domain_says() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("admission/matrix.txt");
    let actual = table();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &actual).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = actual.lines().zip(written.lines().chain(std::iter::repeat(""))).find(|(is, was)| is != was);
    assert_eq!(differs, None, "{} says otherwise (left: the domain)", path.display());
    assert_eq!(actual.lines().count(), written.lines().count());
}

#[test]
fn the_policies_expressions_say_what_the_domain_says() {
    let policies = Policies::generated();
    let (mut cases, mut refused, mut differ) = (0, 0, Vec::new());
    every(|row, case| {
        let (domain, policy) = (domain::answer(case), policies.answer(case));
        cases += 1;
        refused += usize::from(domain.is_err());
        if !agree(&case.deed, domain, policy) {
            differ.push(format!(
                "{} {row} by {}: domain {}, policy {}",
                case.place.name,
                case.who.name,
                word(domain),
                word(policy)
            ));
        }
    });
    println!("{cases} cases, {refused} refused, {} differences between policies and domain", differ.len());
    assert!(differ.is_empty(), "{} of {cases}:\n{}", differ.len(), differ[..differ.len().min(40)].join("\n"));
    assert!(refused > 0 && refused < cases);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_server_says_what_the_domain_says() {
    let asked = server::ask_all().await;
    println!("{} cases, {} differences between API server and domain", asked.cases, asked.differ.len());
    let shown = asked.differ.len().min(40);
    assert!(
        asked.differ.is_empty(),
        "{} of {}:\n{}",
        asked.differ.len(),
        asked.cases,
        asked.differ[..shown].join("\n")
    );
}
