//! What holds whatever people, runtimes, clocks and crashes do, and in whichever order.

use std::sync::mpsc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use super::world::World;
use crate::admission::{Caller, Verb, admit};
use crate::attempt::Progress;
use crate::code::Code;
use crate::deployment::{Act, Confirmation, Deployment, Finish, Report};
use crate::digest::Digest;
use crate::environment::{Claim, Environment, EnvironmentPhase, Readiness, RuntimeKind};
use crate::event::{Action, Event};
use crate::fixture::{act, actor, at, environment, failure, govern, note, plan_under, review, uid};
use crate::guard::Guard;
use crate::name::Actor;
use crate::phase::Phase;
use crate::policy::{Confirm, FreezeWindow, OnFailure, Tier};
use crate::queue::Waiting;
use crate::review::Verdict;
use crate::rollback::{RollbackRequest, RollbackState};
use crate::runtime::{Applied, Failure};

/// Something that happens to a Deployment.
#[derive(Debug, Clone)]
enum Happening {
    Time(i64),
    Restart,
    Content(&'static str),
    NoRelease,
    Approvals(u32),
    Frozen(bool),
    Ready(bool),
    OnFailure(OnFailure),
    OtherClaim(bool),
    Reset,
    Delete,
    /// The policies are these, or not in force.
    Guard(Option<u8>),
    Said(&'static str, Said),
    Attempt(Outcome),
}

/// Something that a person says in the spec.
#[derive(Debug, Clone)]
enum Said {
    Confirm,
    Review(Verdict, Subject),
    BreakGlass,
    AfterReview,
    OverrideFreeze,
    Start,
    Finish(bool),
    Rollback(u8),
    Abort,
}

#[derive(Debug, Clone, Copy)]
enum Subject {
    Preview,
    OlderPreview,
    Rollback,
}

/// What becomes of an attempt that runs.
#[derive(Debug, Clone)]
enum Outcome {
    Succeeds,
    Fails { retryable: bool, changed: bool },
    Stops,
}

const PEOPLE: [&str; 5] = ["alice", "bob", "carol", "dora", "ci"];

fn said() -> impl Strategy<Value = Said> {
    let subject = select(vec![Subject::Preview, Subject::Preview, Subject::OlderPreview, Subject::Rollback]);
    let verdict = select(vec![Verdict::Approve, Verdict::Approve, Verdict::Reject]);
    prop_oneof![
        6 => Just(Said::Confirm),
        8 => (verdict, subject).prop_map(|(verdict, subject)| Said::Review(verdict, subject)),
        1 => Just(Said::BreakGlass),
        1 => Just(Said::AfterReview),
        1 => Just(Said::OverrideFreeze),
        2 => Just(Said::Start),
        2 => any::<bool>().prop_map(Said::Finish),
        3 => (0_u8..4).prop_map(Said::Rollback),
        1 => Just(Said::Abort),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let outcome = prop_oneof![
        3 => Just(Outcome::Succeeds),
        3 => (any::<bool>(), any::<bool>())
            .prop_map(|(retryable, changed)| Outcome::Fails { retryable, changed }),
        1 => Just(Outcome::Stops),
    ];
    prop_oneof![
        4 => (0_i64..40).prop_map(Happening::Time),
        1 => Just(Happening::Restart),
        1 => select(vec!["v2", "v2 mended"]).prop_map(Happening::Content),
        1 => Just(Happening::NoRelease),
        1 => (0_u32..3).prop_map(Happening::Approvals),
        1 => any::<bool>().prop_map(Happening::Frozen),
        2 => prop_oneof![3 => Just(true), 1 => Just(false)].prop_map(Happening::Ready),
        1 => select(vec![OnFailure::Rollback, OnFailure::Hold]).prop_map(Happening::OnFailure),
        2 => prop_oneof![1 => Just(true), 3 => Just(false)].prop_map(Happening::OtherClaim),
        1 => Just(Happening::Reset),
        2 => prop::option::of(0_u8..3).prop_map(Happening::Guard),
        1 => prop_oneof![1 => Just(Happening::Delete), 9 => Just(Happening::Time(1))],
        16 => (select(PEOPLE.to_vec()), said()).prop_map(|(who, said)| Happening::Said(who, said)),
        8 => outcome.prop_map(Happening::Attempt),
    ]
}

fn environments() -> impl Strategy<Value = Environment> {
    let tier = select(Tier::ALL.to_vec());
    let runtime = select(vec![RuntimeKind::Kubernetes, RuntimeKind::Kubernetes, RuntimeKind::Manual]);
    let confirm = select(vec![Confirm::Auto, Confirm::Manual]);
    (tier, runtime, confirm, 0_u32..3).prop_map(|(tier, runtime, confirm, count)| {
        let mut environment = environment(tier, runtime);
        govern(&mut environment, |policy| policy.confirm = confirm);
        approvals(&mut environment, count);
        environment
    })
}

fn approvals(environment: &mut Environment, count: u32) {
    govern(environment, |policy| {
        policy.approval.required = count > 0;
        policy.approval.count = count;
    });
}

impl World {
    /// `admitted` says that what admission refuses is not said; otherwise everything gets into the spec.
    fn happens(&mut self, happening: Happening, admitted: bool) {
        match happening {
            Happening::Time(minutes) => drop(self.later(minutes)),
            Happening::Restart => drop(self.restart()),
            Happening::Content(content) => self.content = Some(content.to_owned()),
            Happening::NoRelease => self.content = None,
            Happening::Approvals(count) => approvals(self.environment(), count),
            Happening::Frozen(frozen) => {
                let window = FreezeWindow { start: at(-1), end: at(1_000_000), reason: "sale".to_owned() };
                let windows = if frozen { vec![window] } else { Vec::new() };
                govern(self.environment(), |policy| policy.freeze_windows = windows);
            }
            Happening::Ready(ready) => {
                let readiness = if ready { Readiness::Ready } else { Readiness::NotReady };
                self.environment().status.readiness = readiness;
            }
            Happening::OnFailure(on_failure) => govern(self.environment(), |policy| policy.on_failure = on_failure),
            Happening::OtherClaim(taken) => self.other_claim(taken),
            Happening::Reset => {
                let status = &mut self.environment().status;
                if status.phase == EnvironmentPhase::Failed {
                    (status.phase, status.failed) = (EnvironmentPhase::Active, None);
                }
            }
            Happening::Delete => self.deployment.deleting = true,
            Happening::Guard(None) => self.guard = Guard::Broken { breaches: Vec::new(), until: None },
            Happening::Guard(Some(number)) => {
                self.guard =
                    Guard::InForce { fingerprint: Digest::of(&[number]), since: self.now + Duration::from_mins(1) };
            }
            Happening::Said(who, said) => self.said(who, &said, admitted),
            Happening::Attempt(outcome) => self.attempt_ends(&outcome),
        }
    }

    fn other_claim(&mut self, taken: bool) {
        let status = &mut self.environment().status;
        match (&status.claim, taken) {
            (None, true) => {
                status.claim = Some(Claim { deployment: uid("d9"), attempt: "d9-a1".to_owned(), epoch: 1 });
            }
            (Some(claim), false) if claim.deployment == uid("d9") => status.claim = None,
            (Some(_) | None, _) => {}
        }
    }

    fn said(&mut self, who: &str, said: &Said, admitted: bool) {
        let mut new = self.deployment.clone();
        speak(&mut new, who, said);
        let caller = Caller { actor: actor(who), verbs: Verb::ALL.to_vec() };
        if !admitted || admit(Some(&self.deployment), &new, &caller, self.environment.as_ref()).is_ok() {
            self.deployment = new;
        }
    }

    fn attempt_ends(&mut self, outcome: &Outcome) {
        let runs = self.look().wait.is_some_and(|wait| matches!(wait, crate::wait::Wait::Attempt { .. }));
        if !runs {
            return;
        }
        let written = vec!["v1/ConfigMap/web".parse().unwrap()];
        self.attempt(match *outcome {
            Outcome::Succeeds => Progress::Succeeded(Applied { written, pruned: Vec::new() }),
            Outcome::Stops => Progress::Stopped { changed: true },
            Outcome::Fails { retryable, changed } => {
                Progress::Failed(Failure { retryable, changed, ..failure(Code::HealthCheckFailed) })
            }
        });
    }

    /// Lets everything follow that follows, and checks it.
    fn follows(&mut self) {
        let before = self.history.len();
        self.run();
        let mut phase = self.history[..before].iter().fold(Phase::Pending, replay);
        for event in &self.history[before..] {
            let next = replay(phase, event);
            let follows = event.actor_id == Actor::controller() && event.seq > 1;
            assert_eq!(event.detail.contains_key("causedBy"), follows, "{} {}", event.seq, event.action);
            if event.action == Action::ReleaseApplying {
                self.may_start();
            }
            let believed = follows || matches!(event.action, Action::ReleaseCreated | Action::ReleaseAborted);
            assert!(believed || self.guard.fingerprint().is_some(), "{} while nobody is believed", event.action);
            if phase.terminal() {
                assert_eq!(next, phase, "nothing follows {phase}");
            }
            phase = next;
        }
        assert_eq!(phase, self.phase(), "the history tells the phase");
        self.holds_only_for_work();
    }

    /// Nobody starts without what the policy asks for.
    fn may_start(&self) {
        let (deployment, environment) = (&self.deployment, self.environment.as_ref().unwrap());
        let preview = &deployment.status.preview.as_ref().unwrap().reference;
        let content = self.content.as_ref().unwrap();
        assert_eq!(preview.digest, plan_under(&self.guard, &deployment.request, environment, content).digest, "gate 1");
        let asked = environment.policy.asks_people();
        assert!(!asked || self.guard.fingerprint().is_some(), "on people's word while nobody is believed");
        let broken = self.history.iter().any(|event| event.action == Action::ReleaseBreakGlass);
        let four_eyes = |who: &Actor| *who != deployment.request.requester && *who != deployment.request.submitted_by;
        let yes = deployment.intents.reviews.iter().filter(|review| {
            review.verdict == Verdict::Approve && review.subject == preview.to_string() && four_eyes(&review.reviewer)
        });
        let people: std::collections::BTreeSet<_> = yes.map(|review| &review.reviewer).collect();
        let need = environment.policy.approval.count as usize;
        assert!(broken || people.len() >= need, "gate 2: {} of {need}", people.len());
        let by_hand = deployment.intents.confirmations.iter().any(|c| c.preview_ref == *preview);
        assert!(by_hand || environment.policy.confirm == Confirm::Auto, "confirmed by a person");
        if environment.runtime == RuntimeKind::Manual {
            return;
        }
        let ends = deployment.status.ticket.as_ref().and_then(|ticket| ticket.expires_at);
        assert!(broken || ends.is_none_or(|at| self.now < at), "gate 2: the ticket");
        let overridden = broken || deployment.intents.override_freeze.is_some();
        assert!(overridden || environment.policy.frozen(self.now).is_none(), "gate 3: the freeze");
        assert_eq!(environment.status.readiness, Readiness::Ready, "gate 3");
    }

    /// What waits for people or for its turn, or is over, leaves the Environment to others.
    fn holds_only_for_work(&self) {
        assert!(!self.holds() || self.at_work(), "holds the claim while {}", self.phase());
    }

    fn at_work(&self) -> bool {
        let rollback = self.deployment.status.rollback.as_ref().map(|rollback| rollback.state);
        self.phase() == Phase::Applying || rollback == Some(RollbackState::Running)
    }
}

fn speak(deployment: &mut Deployment, who: &str, said: &Said) {
    let status = &deployment.status;
    let intents = &mut deployment.intents;
    let once = |slot: &mut Option<Act>| drop(slot.get_or_insert_with(|| act(who)).clone());
    let report = Report { actor: actor(who), note: None };
    match said {
        Said::Confirm => {
            let current = status.preview.as_ref().map(|preview| preview.reference.clone());
            let fresh = current.filter(|current| intents.confirmations.iter().all(|c| c.preview_ref != *current));
            let confirmation = |preview_ref| Confirmation { preview_ref, actor: actor(who), note: None };
            intents.confirmations.extend(fresh.map(confirmation));
        }
        Said::Review(verdict, subject) => {
            let subject = match subject {
                Subject::Preview => status.preview.as_ref().map(|preview| preview.reference.to_string()),
                Subject::OlderPreview => intents.confirmations.first().map(|c| c.preview_ref.to_string()),
                Subject::Rollback => status.rollback.as_ref().map(|rollback| rollback.reference.clone()),
            };
            let taken =
                |subject: &String| intents.reviews.iter().any(|r| r.reviewer == actor(who) && r.subject == *subject);
            let fresh = subject.filter(|subject| !subject.is_empty() && !taken(subject));
            intents.reviews.extend(fresh.map(|subject| review(who, *verdict, &subject)));
        }
        Said::BreakGlass => once(&mut intents.break_glass),
        Said::AfterReview => once(&mut intents.after_review),
        Said::OverrideFreeze => once(&mut intents.override_freeze),
        Said::Abort => once(&mut intents.abort),
        Said::Start => drop(intents.start.get_or_insert(report)),
        Said::Finish(worked) => {
            let finish = if *worked { Finish::Succeeded(report) } else { Finish::Failed(act(who)) };
            intents.finish.get_or_insert(finish);
        }
        Said::Rollback(number) => {
            let id = format!("r-{number}");
            if intents.rollbacks.iter().all(|rollback| rollback.id != id) {
                intents.rollbacks.push(RollbackRequest { id, actor: actor(who), note: note("why") });
            }
        }
    }
}

fn replay(phase: Phase, event: &Event) -> Phase {
    let to = Phase::ALL.into_iter().find(|phase| phase.status() == event.status).unwrap();
    phase.next(event.action, to).unwrap()
}

/// A fold that never ends would never fail a test either.
fn ends(test: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    match ended.recv_timeout(Duration::from_mins(5)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("a decision does not end"),
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => thread.join().unwrap(),
    }
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn nothing_starts_without_what_the_policy_asks_for_and_every_history_is_whole() {
    ends(|| {
        let lives = (environments(), any::<bool>(), prop::collection::vec(happening(), 1..40));
        let outcome = proptest::test_runner::TestRunner::new(config()).run(&lives, |(environment, admitted, life)| {
            let mut world = World::new(environment);
            world.deployment.request.submitted_by = actor("ci");
            world.follows();
            for happening in life {
                world.happens(happening, admitted);
                world.follows();
            }
            Ok(())
        });
        outcome.unwrap_or_else(|failed| panic!("{failed}"));
    });
}

#[test]
fn two_deployments_never_work_on_one_environment_at_once() {
    ends(|| {
        let lives = (environments(), prop::collection::vec((any::<bool>(), happening()), 1..60));
        let outcome = proptest::test_runner::TestRunner::new(config()).run(&lives, |(environment, life)| {
            let mut pair = [World::new(environment.clone()), World::new(environment)];
            pair[1].deployment.id.uid = uid("d3");
            pair[1].deployment.id.name = "web-v3".to_owned();
            for (second, happening) in life {
                let (own, other) = if second { (1, 0) } else { (0, 1) };
                pair[own].queue = waiting(&pair[other]);
                pair[own].happens(happening, true);
                pair[own].follows();
                pair[other].environment = pair[own].environment.clone();
                let by_hand = pair[own].environment().runtime == RuntimeKind::Manual;
                assert!(by_hand || !(pair[0].at_work() && pair[1].at_work()));
            }
            Ok(())
        });
        outcome.unwrap_or_else(|failed| panic!("{failed}"));
    });
}

fn waiting(world: &World) -> Vec<Waiting> {
    let deployment = &world.deployment;
    let approved_at =
        deployment.status.approved_at.filter(|_| world.phase() == Phase::Approved && !deployment.deleting);
    let waiting =
        |approved_at| Waiting { uid: deployment.id.uid.clone(), name: deployment.id.name.clone(), approved_at };
    approved_at.map(waiting).into_iter().collect()
}
