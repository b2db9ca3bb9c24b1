//! Every text on the wire has a bound and a rule. They are stated here once, from the domain's own constants.
//!
//! Lengths and shapes that Kubernetes words well are schema keywords; what would read as a riddle there is a rule with
//! a sentence.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::json;
use slipway_domain::blank::VISIBLE;
use slipway_domain::name::{ACTOR_MAX, ACTOR_RESERVED, CONTROLLER, LABEL_MAX, LABEL_PATTERN, NOTE_MAX};

/// Kubernetes' way to write a period, without days: `30m`, `1h30m`, `90s`.
const PERIOD_PATTERN: &str = "^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$";
/// A time of RFC 3339 between the years 1000 and 2999.
const TIME_PATTERN: &str = "^[12][0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\
                            (\\.[0-9]{1,9})?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])$";
/// A work reference, a path, an address: one line of this many characters at most.
const LINE_MAX: usize = 500;
/// A sentence that Slipway says.
pub(crate) const MESSAGE_MAX: usize = 4096;

fn line(max: usize) -> Schema {
    text(max, &format!(r"{} && !self.matches(r'\p{{Cc}}')", shows()), "must be one line and not blank")
}

fn prose(max: usize) -> Schema {
    text(max, &shows(), "must not be blank")
}

fn shows() -> String {
    format!("self.matches(r'{VISIBLE}')")
}

/// A text for people. The schema counts characters and the domain bytes: a note that only one of them takes would make
/// its object unreadable, and it could not be taken back.
fn text(max: usize, rule: &str, message: &str) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": max,
        "x-kubernetes-validations": [
            {"rule": rule, "message": message},
            {"rule": format!("bytes(self).size() <= {max}"), "message": format!("must be at most {max} bytes in UTF-8")},
        ],
    })
}

fn matching(pattern: &str, max: usize) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": max, "pattern": pattern})
}

fn list_of(item: &Schema, min: usize, max: usize) -> Schema {
    json_schema!({
        "type": "array", "minItems": min, "maxItems": max, "items": item.as_value(), "x-kubernetes-list-type": "atomic",
    })
}

/// A DNS label: the name of a service, an Environment, a Release, a rollback.
pub(crate) fn label(_: &mut SchemaGenerator) -> Schema {
    matching(LABEL_PATTERN, LABEL_MAX)
}

/// The name of any Kubernetes object: labels joined by dots.
pub(crate) fn object_name(_: &mut SchemaGenerator) -> Schema {
    matching("^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", 253)
}

/// A key of a Secret.
pub(crate) fn secret_key(_: &mut SchemaGenerator) -> Schema {
    matching("^[-._a-zA-Z0-9]+$", 253)
}

/// A project or a team.
pub(crate) fn group(_: &mut SchemaGenerator) -> Schema {
    line(LABEL_MAX)
}

/// Who did something: a person or an account, never Slipway itself.
pub(crate) fn actor(_: &mut SchemaGenerator) -> Schema {
    let mut schema = line(ACTOR_MAX);
    let reserved = json!({"rule": format!("self.trim() != '{CONTROLLER}'"), "message": ACTOR_RESERVED});
    if let Some(rules) = schema.get_mut("x-kubernetes-validations").and_then(|rules| rules.as_array_mut()) {
        rules.push(reserved);
    }
    schema
}

/// What someone said about what they did.
pub(crate) fn note(_: &mut SchemaGenerator) -> Schema {
    prose(NOTE_MAX)
}

/// One line of words.
pub(crate) fn words(_: &mut SchemaGenerator) -> Schema {
    line(LINE_MAX)
}

/// What a preview is called when someone confirms it: its number and its digest.
pub(crate) fn preview_ref(_: &mut SchemaGenerator) -> Schema {
    matching("^[1-9][0-9]{0,8}-[0-9a-f]{64}$", 80)
}

/// What a review judges: a preview or a rollback.
pub(crate) fn review_ref(_: &mut SchemaGenerator) -> Schema {
    matching("^([1-9][0-9]{0,8}|rollback-[a-z0-9]([-a-z0-9]*[a-z0-9])?)-[0-9a-f]{64}$", 150)
}

/// A version, as its authors write it.
pub(crate) fn version(_: &mut SchemaGenerator) -> Schema {
    matching("^[A-Za-z0-9]([-A-Za-z0-9._+]*[A-Za-z0-9])?$", 128)
}

/// An absolute http or https address.
pub(crate) fn http_url(_: &mut SchemaGenerator) -> Schema {
    matching("^https?://[^\\s/?#]+[^\\s]*$", 2000)
}

/// An absolute https address.
pub(crate) fn https_url(_: &mut SchemaGenerator) -> Schema {
    matching("^https://[^\\s/?#]+[^\\s]*$", 2000)
}

/// Where a git repository is: https or ssh, nothing else.
pub(crate) fn git_url(_: &mut SchemaGenerator) -> Schema {
    matching("^(https|ssh)://[^\\s/?#-][^\\s]*$", 2000)
}

/// A branch, a tag or a commit. It never starts with a dash, so that it is never read as an option.
pub(crate) fn git_ref(_: &mut SchemaGenerator) -> Schema {
    matching("^[A-Za-z0-9][-A-Za-z0-9._/+]*$", 250)
}

/// An OCI artifact.
pub(crate) fn oci_url(_: &mut SchemaGenerator) -> Schema {
    matching("^oci://[^\\s/?#-][^\\s]*$", 2000)
}

/// A path beneath the root of a source; it never leaves it.
pub(crate) fn relative_path(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": LINE_MAX, "pattern": "^[^/\\s-][^\\s]*$",
        "x-kubernetes-validations": [{
            "rule": "!self.split('/').exists(part, part == '..')",
            "message": "must stay beneath the root: it may not contain '..'",
        }],
    })
}

/// A path on a host.
pub(crate) fn absolute_path(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 2, "maxLength": LINE_MAX, "pattern": "^(/[A-Za-z0-9._@+-]+)+$",
        "x-kubernetes-validations": [{
            "rule": "!self.split('/').exists(part, part == '..' || part == '.')",
            "message": "must not contain '.' or '..'",
        }],
    })
}

/// A host name or an IP address.
pub(crate) fn address(_: &mut SchemaGenerator) -> Schema {
    matching("^[A-Za-z0-9]([-A-Za-z0-9.:]*[A-Za-z0-9])?$", 253)
}

/// The name of an account on a host.
pub(crate) fn login(_: &mut SchemaGenerator) -> Schema {
    matching("^[a-z_][-a-z0-9_]*$", 32)
}

/// A whole SHA-256.
pub(crate) fn sha256(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 64, "maxLength": 64, "pattern": "^[0-9a-f]{64}$"})
}

/// A period longer than nothing.
pub(crate) fn period(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 2, "maxLength": 20, "pattern": PERIOD_PATTERN,
        "x-kubernetes-validations": [{
            "rule": "duration(self) > duration('0s')", "message": "must be longer than nothing",
        }],
    })
}

/// Up to ten periods, each longer than nothing.
pub(crate) fn periods(generator: &mut SchemaGenerator) -> Schema {
    list_of(&period(generator), 1, 10)
}

/// A moment, as RFC 3339 writes it. The API server's own reading of the format takes more than that, and what it stores
/// must be readable.
pub(crate) fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time", "maxLength": 40, "pattern": TIME_PATTERN})
}

/// An API group; the core group is the empty text.
pub(crate) fn api_group(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 253, "pattern": "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"})
}

/// A kind.
pub(crate) fn kind(_: &mut SchemaGenerator) -> Schema {
    matching("^[A-Z][A-Za-z0-9]*$", LABEL_MAX)
}

/// A short word of Slipway's: a code, an attempt type.
pub(crate) fn word(_: &mut SchemaGenerator) -> Schema {
    matching("^[A-Za-z0-9_./:-]+$", 100)
}

/// An identity that the API server gave.
pub(crate) fn uid(_: &mut SchemaGenerator) -> Schema {
    matching("^[A-Za-z0-9-]+$", 64)
}

/// What Slipway says to people.
pub(crate) fn message(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": MESSAGE_MAX})
}

/// Links to the work a change belongs to: at least one.
pub(crate) fn work_references(_: &mut SchemaGenerator) -> Schema {
    list_of(&line(LINE_MAX), 1, 20)
}

/// A program and its arguments.
pub(crate) fn command(_: &mut SchemaGenerator) -> Schema {
    list_of(&json_schema!({"type": "string", "maxLength": 1000}), 1, 50)
}

/// Host keys, as `known_hosts` and `ssh-keyscan` write them: type and key.
pub(crate) fn host_keys(_: &mut SchemaGenerator) -> Schema {
    list_of(&matching("^[a-z0-9@.-]+ [A-Za-z0-9+/=]+$", 2000), 1, 10)
}

/// Images, by tag or by digest.
pub(crate) fn images(_: &mut SchemaGenerator) -> Schema {
    list_of(&matching("^[A-Za-z0-9][^\\s]*$", LINE_MAX), 0, 100)
}

/// Names of tables, without the Environment's prefix.
pub(crate) fn tables(_: &mut SchemaGenerator) -> Schema {
    list_of(&matching("^[A-Za-z0-9_]+$", 64), 0, 200)
}

/// Paths beneath the root of a site.
pub(crate) fn paths(generator: &mut SchemaGenerator) -> Schema {
    list_of(&relative_path(generator), 0, 100)
}

/// Objects as `apiVersion/Kind/name`, a sample of them.
pub(crate) fn objects(_: &mut SchemaGenerator) -> Schema {
    list_of(&json_schema!({"type": "string", "maxLength": 600}), 0, crate::OBJECTS_SHOWN_MAX)
}

/// Objects as `apiVersion/Kind/name`, all of them.
pub(crate) fn inventory(_: &mut SchemaGenerator) -> Schema {
    list_of(&json_schema!({"type": "string", "maxLength": 600}), 0, crate::INVENTORY_MAX)
}

/// Reviews that did not count, as `reviewer@ref`.
pub(crate) fn voided(_: &mut SchemaGenerator) -> Schema {
    list_of(&json_schema!({"type": "string", "maxLength": 500}), 0, crate::REVIEWS_MAX)
}

/// Names of what stands in spec and counts for nothing: the request, five that stand there once, and confirmations.
pub(crate) fn disregarded(_: &mut SchemaGenerator) -> Schema {
    list_of(&json_schema!({"type": "string", "maxLength": 100}), 0, crate::CONFIRMATIONS_MAX + 6)
}

/// Ids of rollbacks.
pub(crate) fn rollback_ids(generator: &mut SchemaGenerator) -> Schema {
    list_of(&label(generator), 0, crate::ROLLBACKS_MAX)
}

/// What is put in place of `${NAME}`.
pub(crate) fn variables(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": 100,
        "additionalProperties": {"type": "string", "maxLength": MESSAGE_MAX},
        "x-kubernetes-validations": [{
            "rule": "self.all(name, name.matches('^[A-Za-z_][A-Za-z0-9_]{0,127}$'))",
            "message": "names must be up to 128 letters, digits or '_', not starting with a digit",
        }],
    })
}
