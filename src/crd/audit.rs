//! The audit block: the last events of an object, kept on the object itself until the archive has them.
//!
//! The API server holds its numbers to what the archive relies on: `seq` and `epoch` never fall, and no event is added
//! without a number of its own.

use kube::KubeSchema;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use slipway_domain::event::Event;

use crate::text;

/// The most events an object carries at once.
pub const JOURNAL_MAX: usize = 100;

/// The history of this object: how far it goes, and its last events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.seq >= oldSelf.seq").message("seq never falls").field_path(".seq"),
    validation = Rule::new("self.epoch >= oldSelf.epoch")
        .message("epoch never falls: a newer controller has taken over")
        .field_path(".epoch"),
    validation = Rule::new("self.auditedSeq <= self.seq")
        .message("auditedSeq cannot be ahead of seq")
        .field_path(".auditedSeq"),
    validation = Rule::new(
        "(has(self.journal) ? self.journal.size() : 0) <= \
         oldSelf.optMap(old, has(old.journal) ? old.journal.size() : 0).orValue(0) \
         || self.seq > oldSelf.optMap(old, old.seq).orValue(0)"
    )
        .message("a longer journal has a higher seq")
        .field_path(".journal")
        .optional_old_self(true),
)]
pub struct Audit {
    /// The number of the newest event, from 1, without gaps.
    #[schemars(range(max = crate::NUMBER_MAX))]
    pub seq: u64,
    /// The term of the controller that wrote last.
    #[schemars(range(max = crate::NUMBER_MAX))]
    pub epoch: u64,
    /// The newest event that is known to be in the archive.
    #[schemars(range(max = crate::NUMBER_MAX))]
    pub audited_seq: u64,
    /// The newest events, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "journal")]
    pub journal: Vec<Event>,
}

fn journal(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": JOURNAL_MAX, "x-kubernetes-list-type": "atomic",
        "items": {
            "type": "object",
            "description": "One line of history.",
            "required": [
                "eventId", "seq", "epoch", "action", "resourceType", "resourceId", "resourceName", "projectId", "teamId",
                "environmentId", "actorId", "source", "status", "occurredAt",
            ],
            "properties": {
                "eventId": bounded("The uid of the object and seq, joined by '/'.", 100),
                "seq": number("The number of this event in the history of its object."),
                "epoch": number("The term of the controller that wrote it."),
                "action": bounded("What happened.", 100),
                "resourceType": bounded("What it happened to: deployment or environment.", 100),
                "resourceId": bounded("The uid of that object.", 64),
                "resourceName": bounded("Its namespace and name, joined by '/'.", 400),
                "projectId": bounded("The Environment's project.", 253),
                "teamId": bounded("The Environment's team.", 253),
                "environmentId": bounded("The name of the Environment.", 253),
                "actorId": bounded("Who did it.", 253),
                "source": bounded("Through which tool, as far as that is known.", 100),
                "status": bounded("The status of the object after it, in the archive's words.", 100),
                "occurredAt": described("When.", &text::time(generator)),
                "detail": {
                    "type": "object", "maxProperties": 50, "description": "What else is worth knowing.",
                    "additionalProperties": {"type": "string", "maxLength": 8192},
                },
            },
        },
    })
}

fn bounded(description: &str, max: usize) -> serde_json::Value {
    serde_json::json!({"type": "string", "maxLength": max, "description": description})
}

fn number(description: &str) -> serde_json::Value {
    serde_json::json!({"type": "integer", "format": "int64", "minimum": 0, "description": description})
}

fn described(description: &str, schema: &Schema) -> serde_json::Value {
    let mut schema = schema.clone();
    schema.insert("description".to_owned(), description.into());
    schema.to_value()
}
