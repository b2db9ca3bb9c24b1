//! A world of one Deployment and one Environment: it does what decisions say, and checks each of them on the way.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::attempt::Progress;
use crate::decide::{Decision, Effect, Observed, Planned, Twin, Work, decide};
use crate::deployment::{Confirmation, Deployment};
use crate::environment::{Claim, Environment, Outcome};
use crate::event::{Action, Event};
use crate::fixture::{act, actor, at, deployment, forecast, guard, note, plan_under, review};
use crate::gate::Evidence;
use crate::guard::Guard;
use crate::name::Uid;
use crate::phase::Phase;
use crate::queue::Waiting;
use crate::review::Verdict;
use crate::rollback::RollbackRequest;
use crate::runtime::{Applied, Failure, Forecast};
use crate::wait::Wait;

/// More decisions than any life here takes.
const ENOUGH: usize = 60;

pub(super) struct World {
    pub deployment: Deployment,
    pub environment: Option<Environment>,
    pub now: Timestamp,
    /// What release and templates say now; None while the release does not exist.
    pub content: Option<String>,
    /// What the runtime answers when it is asked for a preview.
    pub answer: Result<Forecast, Failure>,
    forecast: Option<Result<Forecast, Failure>>,
    attempts: BTreeMap<String, Progress>,
    pub twin: Twin,
    pub queue: Vec<Waiting>,
    pub evidence: Evidence,
    pub guard: Guard,
    /// Everything that was ever archived of the Deployment.
    pub history: Vec<Event>,
    /// The attempts that were started, with what they were to do, oldest first.
    pub started: Vec<(String, Work)>,
    /// What became of the Environment, oldest first.
    pub settled: Vec<Outcome>,
    pub gone: bool,
}

impl World {
    pub fn new(environment: Environment) -> Self {
        Self {
            deployment: deployment(),
            environment: Some(environment),
            now: at(0),
            content: Some("v2".to_owned()),
            answer: Ok(forecast()),
            forecast: None,
            attempts: BTreeMap::new(),
            twin: Twin::None,
            queue: Vec::new(),
            evidence: Evidence::default(),
            guard: guard(),
            history: Vec::new(),
            started: Vec::new(),
            settled: Vec::new(),
            gone: false,
        }
    }

    pub fn environment(&mut self) -> &mut Environment {
        self.environment.as_mut().unwrap()
    }

    pub fn phase(&self) -> Phase {
        self.deployment.status.phase
    }

    /// What happened, in the words of the history.
    pub fn words(&self) -> Vec<&'static str> {
        self.history.iter().map(|event| event.action.as_str()).collect()
    }

    pub fn event(&self, action: Action) -> &Event {
        self.history.iter().rev().find(|event| event.action == action).unwrap()
    }

    pub fn preview_ref(&self) -> String {
        self.deployment.status.preview.as_ref().unwrap().reference.to_string()
    }

    pub fn rollback_ref(&self) -> String {
        self.deployment.status.rollback.as_ref().unwrap().reference.clone()
    }

    pub fn later(&mut self, minutes: i64) -> &mut Self {
        self.now += SignedDuration::from_mins(minutes);
        self
    }

    pub fn confirm(&mut self, who: &str) -> &mut Self {
        let preview_ref = self.deployment.status.preview.as_ref().unwrap().reference.clone();
        self.deployment.intents.confirmations.push(Confirmation { preview_ref, actor: actor(who), note: None });
        self
    }

    pub fn review(&mut self, who: &str, verdict: Verdict, subject: &str) -> &mut Self {
        self.deployment.intents.reviews.push(review(who, verdict, subject));
        self
    }

    pub fn approve(&mut self, who: &str) -> &mut Self {
        let subject = self.preview_ref();
        self.review(who, Verdict::Approve, &subject)
    }

    pub fn abort(&mut self, who: &str) -> &mut Self {
        self.deployment.intents.abort = Some(act(who));
        self
    }

    pub fn ask_rollback(&mut self, id: &str, who: &str) -> &mut Self {
        let request = RollbackRequest { id: id.to_owned(), actor: actor(who), note: note("customers complain") };
        self.deployment.intents.rollbacks.push(request);
        self
    }

    /// The attempt that the status names now has this progress.
    pub fn attempt(&mut self, progress: Progress) -> &mut Self {
        let id = self.deployment.status.attempt.as_ref().unwrap().id.clone();
        self.attempts.insert(id, progress);
        self
    }

    pub fn attempt_succeeds(&mut self) -> &mut Self {
        let written = vec!["v1/ConfigMap/web".parse().unwrap()];
        self.attempt(Progress::Succeeded(Applied { written, pruned: Vec::new() }))
    }

    pub fn attempt_fails(&mut self, failure: Failure) -> &mut Self {
        self.attempt(Progress::Failed(failure))
    }

    /// The controller's process ends and another takes its place.
    pub fn restart(&mut self) -> &mut Self {
        self.forecast = None;
        self.attempts.clear();
        self
    }

    /// Decides once, without any consequence.
    pub fn look(&self) -> Decision {
        let environment = self.environment.as_ref();
        let planned = match (environment, &self.content) {
            (Some(environment), Some(content)) => {
                Planned::Ready(plan_under(&self.guard, &self.deployment.request, environment, content))
            }
            (None, _) => Planned::Missing(Wait::Environment { name: "shop".to_owned() }),
            (_, None) => Planned::Missing(Wait::Release { name: "web-v2".to_owned() }),
        };
        let attempt = self.deployment.status.attempt.as_ref();
        let progress = attempt.and_then(|attempt| self.attempts.get(&attempt.id)).cloned();
        let observed = Observed {
            deployment: &self.deployment,
            environment,
            planned,
            forecast: self.forecast.clone(),
            progress: progress.unwrap_or(Progress::Absent),
            twin: self.twin.clone(),
            queue: self.queue.clone(),
            evidence: self.evidence.clone(),
            guard: self.guard.clone(),
            archived_seq: self.deployment.status.audit.seq,
            epoch: 1,
        };
        decide(&observed, self.now)
    }

    /// Decides once, writes and archives what was decided, and carries out the effect.
    pub fn step(&mut self) -> Decision {
        let decision = self.look();
        if !matches!(decision.effect, Some(Effect::Preview | Effect::Claim { .. })) {
            self.write(&decision);
            self.check_that_deciding_again_says_the_same(&decision);
        }
        self.carry_out(decision.effect.clone());
        decision
    }

    /// Decides until there is nothing to do but wait; the last decision.
    pub fn run(&mut self) -> Decision {
        for _ in 0..ENOUGH {
            let decision = self.step();
            let waits = match &decision.effect {
                None => decision.events.is_empty(),
                Some(Effect::Run { .. } | Effect::RemoveFinalizer) => true,
                Some(Effect::Preview | Effect::Claim { .. } | Effect::Stop | Effect::Settle(_)) => false,
            };
            if waits {
                return decision;
            }
        }
        panic!("no end after {ENOUGH} decisions: {:?}", self.words());
    }

    /// What it waits for once nothing more can be done.
    pub fn wait(&mut self) -> Wait {
        self.run().wait.unwrap()
    }

    fn write(&mut self, decision: &Decision) {
        for event in &decision.events {
            assert_eq!(event.seq, self.history.len() as u64 + 1, "events are numbered without gaps");
            self.history.push(event.clone());
        }
        assert_eq!(decision.status.audit.seq, self.history.len() as u64);
        if !decision.events.is_empty() {
            self.forecast = None;
        }
        self.deployment.status = decision.status.clone();
    }

    fn check_that_deciding_again_says_the_same(&self, decision: &Decision) {
        let again = self.look();
        assert_eq!(again.events, [], "the same was decided twice, after {:?}", self.words());
        if decision.effect.is_some() {
            assert_eq!(again.effect, decision.effect, "an effect that a crash cut off is named again");
        }
        assert_eq!(without_audit(&again), without_audit(decision), "nothing changed and yet the status would");
    }

    fn carry_out(&mut self, effect: Option<Effect>) {
        match effect {
            None => {}
            Some(Effect::Preview) => self.forecast = Some(self.answer.clone()),
            Some(Effect::Claim { attempt }) => {
                let service = self.deployment.request.service.clone();
                let claim = Claim { deployment: self.deployment.id.uid.clone(), attempt, epoch: 1 };
                let environment = self.environment();
                assert_eq!(environment.status.claim, None, "one claim at a time");
                environment.status = environment.status.claimed(claim, &service, &[]);
            }
            Some(Effect::Run { attempt, work }) => {
                assert!(self.holds(), "nothing runs without the claim");
                self.attempts.insert(attempt.id.clone(), Progress::Running);
                self.started.push((attempt.id, work));
            }
            Some(Effect::Stop) => {
                self.attempt(Progress::Stopped { changed: true });
            }
            Some(Effect::Settle(outcome)) => {
                assert!(self.holds(), "only who has the claim gives it back");
                let service = self.deployment.request.service.clone();
                let environment = self.environment();
                environment.status = environment.status.settled(&service, outcome.clone(), None);
                self.settled.push(outcome);
            }
            Some(Effect::RemoveFinalizer) => self.gone = true,
        }
    }

    pub fn holds(&self) -> bool {
        let uid: &Uid = &self.deployment.id.uid;
        self.environment.as_ref().is_some_and(|environment| environment.held_by(uid))
    }
}

/// The status but for what trimming changes in a write that happens anyway.
fn without_audit(decision: &Decision) -> crate::deployment::Status {
    crate::deployment::Status { audit: crate::audit::Audit::default(), ..decision.status.clone() }
}
