//! What somebody does: one change of one object.

use serde_json::{Value, json};

use super::people::{ALICE, BOB, OLGA};
use super::situation::{old_preview, preview, rollback};

/// How the change reaches the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A change of the spec.
    Spec,
    /// A change of the status.
    Status,
    /// Its deletion.
    Delete,
    /// Its creation.
    Create,
}

/// One change.
#[derive(Debug, Clone, Copy)]
pub struct Deed {
    pub name: &'static str,
    pub way: Way,
    /// The schema refuses it before any policy is asked.
    pub misshapen: bool,
    change: fn(&mut Value, &str),
}

impl Deed {
    /// The object after `who` has done it.
    pub fn done(&self, object: &Value, who: &str) -> Value {
        let mut after = object.clone();
        (self.change)(&mut after, who);
        after
    }
}

const fn says(name: &'static str, change: fn(&mut Value, &str)) -> Deed {
    Deed { name, way: Way::Spec, misshapen: false, change }
}

const fn garbles(name: &'static str, change: fn(&mut Value, &str)) -> Deed {
    Deed { name, way: Way::Spec, misshapen: true, change }
}

const fn asks(name: &'static str, change: fn(&mut Value, &str)) -> Deed {
    Deed { name, way: Way::Create, misshapen: false, change }
}

fn add(object: &mut Value, list: &str, entry: Value) {
    let spec = object["spec"].as_object_mut().unwrap();
    let entries = spec.entry(list).or_insert_with(|| json!([]));
    entries.as_array_mut().unwrap().push(entry);
}

fn act(who: &str) -> Value {
    json!({"actor": who, "note": "has a reason"})
}

fn review(object: &mut Value, who: &str, decision: &str, of: String) {
    // The same person twice about one thing would be the same entry.
    let known = object["spec"]["reviews"].as_array().is_some_and(|reviews| {
        reviews.iter().any(|review| review["reviewer"] == who && review["previewRef"] == of.as_str())
    });
    let of = if known { old_preview() } else { of };
    add(object, "reviews", json!({"reviewer": who, "decision": decision, "previewRef": of, "note": "read it"}));
}

fn other(who: &str) -> &'static str {
    if who == BOB { OLGA } else { BOB }
}

fn fresh_rollback(object: &mut Value, id: &str, who: &str) {
    add(object, "rollbacks", json!({"id": id, "actor": who, "note": "errors rise"}));
}

/// What is said about a Deployment that is there.
pub const SAID: [Deed; 28] = [
    says("confirm", |object, who| add(object, "confirmations", json!({"previewRef": preview(), "actor": who}))),
    says("confirm the preview before", |object, who| {
        add(object, "confirmations", json!({"previewRef": old_preview(), "actor": who}));
    }),
    says("confirm as another", |object, who| {
        add(object, "confirmations", json!({"previewRef": preview(), "actor": other(who)}));
    }),
    says("approve", |object, who| review(object, who, "Approve", preview())),
    says("approve the preview before", |object, who| review(object, who, "Approve", old_preview())),
    says("approve as another", |object, who| {
        let name = if object["spec"]["reviews"].is_array() { ALICE } else { other(who) };
        let name = if name == who { "zoe@example.com" } else { name };
        review(object, name, "Approve", preview());
    }),
    says("reject", |object, who| review(object, who, "Reject", preview())),
    garbles("reject without a note", |object, who| {
        add(
            object,
            "reviews",
            json!({"reviewer": who, "decision": "Reject", "previewRef": format!("3{}", &preview()[1..])}),
        );
    }),
    says("break glass", |object, who| set(object, "breakGlass", act(who))),
    says("break glass as another", |object, who| set(object, "breakGlass", act(other(who)))),
    says("review afterwards", |object, who| set(object, "afterReview", act(who))),
    says("override a freeze", |object, who| set(object, "overrideFreeze", act(who))),
    says("start", |object, who| object["spec"]["manual"]["start"] = json!({"actor": who})),
    says("start as another", |object, who| object["spec"]["manual"]["start"] = json!({"actor": other(who)})),
    says("succeed", |object, who| finish(object, "Succeeded", who)),
    says("fail", |object, who| finish(object, "Failed", who)),
    says("roll back", |object, who| fresh_rollback(object, "r2", who)),
    says("roll back as another", |object, who| fresh_rollback(object, "r2", other(who))),
    says("roll back twice", |object, who| {
        fresh_rollback(object, "r2", who);
        fresh_rollback(object, "r3", who);
    }),
    says("approve the rollback", |object, who| review(object, who, "Approve", rollback())),
    says("reject the rollback", |object, who| review(object, who, "Reject", rollback())),
    says("abort", |object, who| set(object, "abort", act(who))),
    says("abort as another", |object, who| set(object, "abort", act(other(who)))),
    garbles("ask for another version", |object, _| object["spec"]["service"] = "api".into()),
    garbles("take a review back", |object, _| take(object, "reviews", |spec| drop(spec.remove("reviews")))),
    garbles("change a review", |object, _| take(object, "reviews", |spec| spec["reviews"][0]["note"] = "other".into())),
    Deed { name: "delete", way: Way::Delete, misshapen: false, change: |_, _| () },
    Deed {
        name: "write status",
        way: Way::Status,
        misshapen: false,
        change: |object, _| {
            if object["status"].is_null() {
                object["status"] = json!({"phase": "Pending", "audit": {"seq": 1, "epoch": 1, "auditedSeq": 1}});
            }
            object["status"]["observedGeneration"] = 7.into();
        },
    },
];

/// What is said once replaces nothing.
fn set(object: &mut Value, field: &str, entry: Value) {
    if object["spec"][field].is_null() {
        object["spec"][field] = entry;
    }
}

fn finish(object: &mut Value, result: &str, who: &str) {
    object["spec"]["manual"]["finish"] = json!({"result": result, "actor": who, "note": "as it went"});
}

/// Without such an entry, the request itself is changed: that is refused for the same reason.
fn take(object: &mut Value, field: &str, change: fn(&mut serde_json::Map<String, Value>)) {
    let spec = object["spec"].as_object_mut().unwrap();
    if spec.contains_key(field) { change(spec) } else { drop(spec.insert("service".to_owned(), "api".into())) }
}

/// What is asked for.
pub const ASKED: [Deed; 11] = [
    asks("ask in one's own name", |object, who| object["spec"]["requester"] = who.into()),
    asks("ask for alice", |_, _| ()),
    asks("ask without a risk", |object, who| {
        object["spec"]["requester"] = who.into();
        object["spec"].as_object_mut().unwrap().remove("risk");
    }),
    asks("ask for a bare version", |object, who| {
        object["spec"]["requester"] = who.into();
        object["spec"]["operation"] = json!({"deploy": {"version": "1.2.3"}});
    }),
    asks("ask for a release", |object, who| {
        object["spec"]["requester"] = who.into();
        object["spec"]["operation"] = json!({"deploy": {"releaseRef": {"name": "web-v1"}}});
    }),
    asks("ask to go back to a release", |object, who| {
        object["spec"]["requester"] = who.into();
        object["spec"]["operation"] = json!({"rollback": {"toReleaseRef": {"name": "web-v0"}}});
    }),
    asks("ask for an account", |object, _| object["spec"]["requester"] = "system:serviceaccount:ci:other".into()),
    asks("ask in an Environment that is not there", |object, who| {
        object["spec"]["requester"] = who.into();
        object["spec"]["environmentRef"]["name"] = "elsewhere".into();
    }),
    Deed {
        misshapen: true,
        ..asks("ask with a review", |object, who| {
            object["spec"]["requester"] = who.into();
            add(object, "reviews", json!({"reviewer": who, "decision": "Approve", "previewRef": preview()}));
        })
    },
    Deed {
        misshapen: true,
        ..asks("ask without a plan", |object, who| {
            object["spec"]["requester"] = who.into();
            object["spec"]["rollbackPlan"] = " ".into();
        })
    },
    Deed {
        misshapen: true,
        ..asks("ask with a plan that shows nothing", |object, who| {
            object["spec"]["requester"] = who.into();
            object["spec"]["rollbackPlan"] = "\u{200B}\u{A0}\u{2060}".into();
        })
    },
];
