//! A decision as an entry: what there was stays, and one entry is added.

use serde_json::{Map, Value, json};

/// What someone decides about a Deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    Confirm,
    Approve,
    Reject,
    Start,
    Succeed,
    Fail,
    Rollback,
    Abort,
    BreakGlass,
    AfterReview,
    OverrideFreeze,
}

/// Who says it, about what, and why.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) actor: &'a str,
    /// What was shown: a preview, or a rollback.
    pub(super) subject: &'a str,
    pub(super) note: Option<&'a str>,
}

impl Intent {
    /// The command, for messages.
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Start => "start",
            Self::Succeed => "succeed",
            Self::Fail => "fail",
            Self::Rollback => "rollback",
            Self::Abort => "abort",
            Self::BreakGlass => "break-glass",
            Self::AfterReview => "after-review",
            Self::OverrideFreeze => "override-freeze",
        }
    }

    /// What has been done once the API server accepts it.
    pub(super) fn done(self) -> &'static str {
        match self {
            Self::Confirm => "confirmed",
            Self::Approve => "approved",
            Self::Reject => "rejected",
            Self::Start => "started",
            Self::Succeed => "reported as succeeded",
            Self::Fail => "reported as failed",
            Self::Rollback => "rollback asked for",
            Self::Abort => "abort asked for",
            Self::BreakGlass => "goes ahead without review",
            Self::AfterReview => "looked at afterwards",
            Self::OverrideFreeze => "goes through the freeze",
        }
    }

    /// It names what was shown, and is nothing without it.
    pub(super) fn names_subject(self) -> bool {
        matches!(self, Self::Confirm | Self::Approve | Self::Reject)
    }

    /// The merge patch that adds the entry to `object`: it carries the version that was read, and every entry that a list
    /// has already, because a merge patch replaces lists.
    pub(super) fn patch(self, object: &Value, entry: Entry<'_>) -> Value {
        let Entry { actor, subject, note } = entry;
        let spec = &object["spec"];
        let with_note = |mut fields: Map<String, Value>| {
            fields.extend(note.map(|note| ("note".to_owned(), note.into())));
            Value::Object(fields)
        };
        let fields = |pairs: &[(&str, &str)]| {
            with_note(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect())
        };
        let added = |list: &str, entry: Value| {
            let mut all = spec[list].as_array().cloned().unwrap_or_default();
            all.push(entry);
            json!({list: all})
        };
        let review = |decision: &str| {
            added("reviews", fields(&[("reviewer", actor), ("previewRef", subject), ("decision", decision)]))
        };
        let finish = |result: &str| json!({"manual": {"finish": fields(&[("result", result), ("actor", actor)])}});
        let act = fields(&[("actor", actor)]);
        let spec = match self {
            Self::Confirm => added("confirmations", fields(&[("previewRef", subject), ("actor", actor)])),
            Self::Approve => review("Approve"),
            Self::Reject => review("Reject"),
            Self::Start => json!({"manual": {"start": act}}),
            Self::Succeed => finish("Succeeded"),
            Self::Fail => finish("Failed"),
            Self::Rollback => {
                let id = unused(spec["rollbacks"].as_array().map_or(&[], Vec::as_slice));
                added("rollbacks", fields(&[("id", &id), ("actor", actor)]))
            }
            Self::Abort => json!({"abort": act}),
            Self::BreakGlass => json!({"breakGlass": act}),
            Self::AfterReview => json!({"afterReview": act}),
            Self::OverrideFreeze => json!({"overrideFreeze": act}),
        };
        json!({"metadata": {"resourceVersion": object["metadata"]["resourceVersion"]}, "spec": spec})
    }
}

/// An id that no rollback of the list has.
fn unused(rollbacks: &[Value]) -> String {
    let taken = |id: &String| rollbacks.iter().any(|entry| entry["id"] == *id);
    let id = |number: usize| format!("by-hand-{number}");
    // Of one more name than there are entries at least one is free.
    (rollbacks.len() + 1..=2 * rollbacks.len() + 1).map(id).find(|id| !taken(id)).unwrap_or_else(|| id(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: Entry<'_> = Entry { actor: "bob", subject: "2-abc", note: Some("read it") };

    fn object() -> Value {
        json!({
            "metadata": {"resourceVersion": "7", "name": "web"},
            "spec": {
                "reviews": [{"reviewer": "bob", "previewRef": "1-old", "decision": "Approve", "unknown": true}],
                "rollbacks": [{"id": "by-hand-2", "actor": "eve", "note": "slow"}],
            },
        })
    }

    #[test]
    fn a_review_joins_those_that_are_there_whatever_they_hold() {
        let patch = Intent::Approve.patch(&object(), BOB);
        assert_eq!(
            patch,
            json!({
                "metadata": {"resourceVersion": "7"},
                "spec": {"reviews": [
                    {"reviewer": "bob", "previewRef": "1-old", "decision": "Approve", "unknown": true},
                    {"reviewer": "bob", "previewRef": "2-abc", "decision": "Approve", "note": "read it"},
                ]},
            })
        );
    }

    #[test]
    fn every_decision_has_its_place() {
        let spec = |intent: Intent| Intent::patch(intent, &object(), BOB)["spec"].clone();
        let act = json!({"actor": "bob", "note": "read it"});
        assert_eq!(spec(Intent::Confirm)["confirmations"][0]["previewRef"], "2-abc");
        assert_eq!(spec(Intent::Reject)["reviews"][1]["decision"], "Reject");
        assert_eq!(spec(Intent::Start), json!({"manual": {"start": act}}));
        assert_eq!(spec(Intent::Succeed)["manual"]["finish"]["result"], "Succeeded");
        assert_eq!(spec(Intent::Fail)["manual"]["finish"]["result"], "Failed");
        assert_eq!(spec(Intent::Abort), json!({"abort": act}));
        assert_eq!(spec(Intent::BreakGlass), json!({"breakGlass": act}));
        assert_eq!(spec(Intent::AfterReview), json!({"afterReview": act}));
        assert_eq!(spec(Intent::OverrideFreeze), json!({"overrideFreeze": act}));
        assert_eq!(spec(Intent::Rollback)["rollbacks"][1]["id"], "by-hand-3");
    }

    #[test]
    fn nothing_said_is_nothing_written() {
        let silent = Entry { note: None, ..BOB };
        assert_eq!(Intent::Start.patch(&object(), silent)["spec"]["manual"]["start"], json!({"actor": "bob"}));
    }
}
