//! Conditions, as every Kubernetes tool reads them: one for each type, with a time that moves only when the status does.

use schemars::{Schema, SchemaGenerator, json_schema};

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// The schema of a list of conditions, one for each type.
pub(crate) fn list(generator: &mut SchemaGenerator) -> Schema {
    let time = crate::text::time(generator).to_value();
    json_schema!({
        "type": "array", "maxItems": 20,
        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "description": "One thing that is, is not, or cannot be told.",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {
                    "type": "string", "maxLength": 316, "description": "What is told.",
                    "pattern": "^[A-Za-z][A-Za-z0-9]*$",
                },
                "status": {
                    "type": "string", "enum": ["True", "False", "Unknown"], "description": "Whether it is so.",
                },
                "reason": {
                    "type": "string", "minLength": 1, "maxLength": 1024, "description": "Why, in one word.",
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                },
                "message": {"type": "string", "maxLength": 32768, "description": "Why, in a sentence."},
                "lastTransitionTime": time,
                "observedGeneration": {
                    "type": "integer", "format": "int64", "minimum": 0,
                    "description": "The generation of the object that this was told about.",
                },
            },
        },
    })
}
