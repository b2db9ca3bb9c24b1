//! What the archive says, read from its file beside the controller that writes it.

use serde::Deserialize;
use slipway_domain::event::Event;

use super::Stage;
use super::wait::answered;

#[derive(Deserialize)]
struct Line {
    event: Event,
}

impl Stage {
    /// The whole history, oldest first.
    pub fn archive(&self) -> Vec<Event> {
        let mut text = Vec::new();
        slipway_store::export(&self.database(), &mut text).unwrap();
        let lines = String::from_utf8(text).unwrap();
        lines.lines().map(|line| serde_json::from_str::<Line>(line).unwrap().event).collect()
    }

    /// The history of one object.
    pub fn history(&self, uid: &str) -> Vec<Event> {
        self.archive().into_iter().filter(|event| event.resource_id.as_str() == uid).collect()
    }

    /// What happened to one object, in words.
    pub fn actions(&self, uid: &str) -> Vec<String> {
        self.history(uid).iter().map(|event| event.action.as_str().to_owned()).collect()
    }

    /// Waits until the history of an object ends with `action`: the archive follows the object by a moment.
    pub async fn recorded(&self, uid: &str, action: &str) -> Vec<Event> {
        let told = answered(async || {
            let history = self.history(uid);
            history.iter().any(|event| event.action.as_str() == action).then_some(history)
        });
        if let Some(history) = told.await {
            return history;
        }
        panic!("{action} is not archived: {:?}\n{}", self.actions(uid), self.last_words());
    }

    /// That nobody has changed the archive, and its current rows are what the history says.
    pub fn verify(&self) {
        slipway_store::verify(&self.database(), &slipway_store::Proof::default()).unwrap();
    }

    pub(super) fn last_words(&self) -> String {
        self.controller.as_ref().map_or_else(String::new, super::Controller::last_words)
    }
}
