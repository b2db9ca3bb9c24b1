//! Every field of every schema made wrong, in every way that its schema says it can be wrong.
//!
//! A case is a valid object with one field changed. What the API server answers must name that field.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// One object that must be refused.
#[derive(Debug, Clone)]
pub struct Case {
    /// The field and what is wrong with it.
    pub name: String,
    /// The object.
    pub object: Value,
    /// What the answer must contain, all of it.
    pub says: Vec<String>,
}

/// What the API server writes itself, whatever was written.
const STAMPED: [&str; 2] = ["spec.submittedBy", "spec.changedBy"];

/// The fields of the schema's spec that no valid object has: each is a gap in `valid.yaml`.
pub fn uncovered(schema: &Value, valid: &[Value]) -> Vec<String> {
    let mut missing = BTreeSet::new();
    fields(&schema["properties"]["spec"], "spec", &mut missing);
    for object in valid {
        let mut present = BTreeSet::new();
        walk(&schema["properties"]["spec"], &object["spec"], &Place::spec(), &mut |place, _, _| {
            present.insert(place.schema.clone());
        });
        missing.retain(|field| !present.contains(field));
    }
    missing.into_iter().collect()
}

/// Every wrong object that can be made of the valid ones, each kind of wrong once for each field of the schema.
pub fn cases(schema: &Value, valid: &[Value]) -> Vec<Case> {
    let mut seen = BTreeSet::new();
    let mut cases = Vec::new();
    for object in valid {
        walk(&schema["properties"]["spec"], &object["spec"], &Place::spec(), &mut |place, schema, value| {
            for (wrong, to, says) in wrongs(place, schema, value) {
                let name = format!("{} {wrong}", place.schema);
                if seen.insert(name.clone()) {
                    let object = replaced(object, &place.pointer, to.as_ref());
                    cases.push(Case {
                        name: format!("{} {name}", object["kind"].as_str().unwrap_or("?")),
                        object,
                        says,
                    });
                }
            }
        });
    }
    cases
}

/// Where a value stands: in the schema, in the object, and as the API server writes it.
#[derive(Debug, Clone)]
struct Place {
    schema: String,
    pointer: String,
    path: String,
    required: bool,
}

impl Place {
    fn spec() -> Self {
        Self { schema: "spec".into(), pointer: "/spec".into(), path: "spec".into(), required: true }
    }

    fn field(&self, name: &str, required: bool) -> Self {
        Self {
            schema: format!("{}.{name}", self.schema),
            pointer: format!("{}/{name}", self.pointer),
            path: format!("{}.{name}", self.path),
            required,
        }
    }

    fn entry(&self, name: &str) -> Self {
        Self {
            schema: format!("{}{{}}", self.schema),
            pointer: format!("{}/{name}", self.pointer),
            path: format!("{}.{name}", self.path),
            required: false,
        }
    }

    fn first(&self) -> Self {
        Self {
            schema: format!("{}[]", self.schema),
            pointer: format!("{}/0", self.pointer),
            path: format!("{}[0]", self.path),
            required: false,
        }
    }
}

fn fields(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    found.insert(path.to_owned());
    for (name, child) in schema["properties"].as_object().unwrap_or(&Map::new()) {
        fields(child, &format!("{path}.{name}"), found);
    }
    if schema["items"].is_object() {
        fields(&schema["items"], &format!("{path}[]"), found);
    }
    if schema["additionalProperties"].is_object() {
        fields(&schema["additionalProperties"], &format!("{path}{{}}"), found);
    }
}

fn walk(schema: &Value, value: &Value, place: &Place, visit: &mut impl FnMut(&Place, &Value, &Value)) {
    visit(place, schema, value);
    let required = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|it| it == name));
    for (name, child) in schema["properties"].as_object().unwrap_or(&Map::new()) {
        if let Some(value) = value.get(name) {
            walk(child, value, &place.field(name, required(name)), visit);
        }
    }
    if let Some(first) = value.get(0) {
        walk(&schema["items"], first, &place.first(), visit);
    }
    if let (Some((name, entry)), true) =
        (value.as_object().and_then(|map| map.iter().next()), schema["additionalProperties"].is_object())
    {
        walk(&schema["additionalProperties"], entry, &place.entry(name), visit);
    }
}

/// What can be wrong with one value: in a word, the value to put there (or none, to remove it), and the answer.
fn wrongs(place: &Place, schema: &Value, value: &Value) -> Vec<(&'static str, Option<Value>, Vec<String>)> {
    let says = |text: &str| vec![format!("{}: ", place.path), text.to_owned()];
    let mut wrongs = Vec::new();
    if STAMPED.contains(&place.path.as_str()) {
        return wrongs;
    }
    if place.required && place.path != "spec" {
        wrongs.push(("is missing", None, vec![place.path.clone(), "Required value".to_owned()]));
    }
    let open = schema["x-kubernetes-preserve-unknown-fields"] == true;
    match schema["type"].as_str() {
        // Stamping comes first; cases.yaml asks what becomes of a spec that nothing can be put into.
        Some("object") if place.path == "spec" => {}
        Some(kind) => {
            let other = if kind == "string" { json!(7) } else { json!("seven") };
            let kind = schema["format"].as_str().filter(|format| *format == "date-time").unwrap_or(kind);
            wrongs.push(("has the wrong type", Some(other), says(&format!("must be of type {kind}"))));
        }
        None => {}
    }
    match value {
        Value::Object(map) if schema["properties"].is_object() && !open => {
            let mut map = map.clone();
            map.insert("nonsense".into(), json!(1));
            let unknown = format!("unknown field \"{}.nonsense\"", place.path);
            wrongs.push(("has a field that nobody knows", Some(map.into()), vec![unknown]));
        }
        Value::Object(_) => {
            if let Some(max) = schema["maxProperties"].as_u64() {
                let many: Map<String, Value> = (0..=max).map(|n| (format!("K{n}"), json!("v"))).collect();
                wrongs.push((
                    "has too many entries",
                    Some(many.into()),
                    says(&format!("must have at most {max} items")),
                ));
            }
        }
        Value::Array(items) => {
            if let Some(max) = schema["maxItems"].as_u64() {
                let many: Vec<Value> = (0..=max).filter_map(|_| items.first().cloned()).collect();
                wrongs.push(("is too long", Some(many.into()), says(&format!("must have at most {max} items"))));
            }
            if schema["minItems"].as_u64().is_some_and(|min| min > 0) {
                wrongs.push(("is empty", Some(json!([])), says("should have at least 1 items")));
            }
        }
        Value::String(_) => texts(schema, &says, &mut wrongs),
        Value::Number(_) => {
            for (bound, step, wrong) in [("minimum", -1, "is too small"), ("maximum", 1, "is too large")] {
                if let Some(limit) = schema[bound].as_i64() {
                    wrongs.push((wrong, Some(json!(limit + step)), says("should be")));
                }
            }
            wrongs.push(("has a fraction", Some(json!(1.5)), says("must be of type integer")));
        }
        Value::Bool(_) | Value::Null => {}
    }
    wrongs
}

type Wrongs = Vec<(&'static str, Option<Value>, Vec<String>)>;

fn texts(schema: &Value, says: &impl Fn(&str) -> Vec<String>, wrongs: &mut Wrongs) {
    if let Some(max) = schema["maxLength"].as_u64() {
        let long = "a".repeat(usize::try_from(max).unwrap_or(0) + 1);
        wrongs.push(("is too long", Some(json!(long)), says(&format!("may not be more than {max} bytes"))));
    }
    if schema["minLength"].as_u64().is_some() {
        wrongs.push(("is empty", Some(json!("")), says("should be at least")));
    }
    if schema["pattern"].is_string() {
        let length = usize::try_from(schema["minLength"].as_u64().unwrap_or(0)).unwrap_or(0);
        wrongs.push(("has the wrong shape", Some(json!(format!("{:!<length$}", " !"))), says("should match")));
    }
    if schema["enum"].is_array() {
        wrongs.push(("is no known word", Some(json!("nonsense")), says("Unsupported value")));
    }
    if schema["format"] == "date-time" {
        wrongs.push(("is no time", Some(json!("yesterday")), says("must be of type date-time")));
    }
    for rule in schema["x-kubernetes-validations"].as_array().unwrap_or(&Vec::new()) {
        let (wrong, to) = match rule["message"].as_str() {
            Some("must be one line and not blank") => ("has two lines", json!("a\nb")),
            Some(told) if told.starts_with("must not be 'controller'") => ("is Slipway itself", json!("controller")),
            Some("must not be blank") => ("is blank", json!(" \n\u{A0}\u{200B}\u{FEFF}\u{3164}")),
            Some(told) if told.ends_with("bytes in UTF-8") => {
                let max = usize::try_from(schema["maxLength"].as_u64().unwrap_or(0)).unwrap_or(0);
                ("has too many bytes", json!("ä".repeat(max / 2 + 1)))
            }
            Some("must be longer than nothing") => ("is nothing", json!("0s")),
            Some("must stay beneath the root: it may not contain '..'") => ("leaves its root", json!("a/../../b")),
            Some("must not contain '.' or '..'") => ("has dots", json!("/a/../b")),
            _ => continue,
        };
        wrongs.push((wrong, Some(to), says(rule["message"].as_str().unwrap_or_default())));
    }
}

fn replaced(object: &Value, pointer: &str, to: Option<&Value>) -> Value {
    let mut object = object.clone();
    match to {
        Some(to) => {
            if let Some(place) = object.pointer_mut(pointer) {
                *place = to.clone();
            }
        }
        None => {
            if let Some((parent, name)) = pointer.rsplit_once('/')
                && let Some(map) = object.pointer_mut(parent).and_then(Value::as_object_mut)
            {
                map.remove(name);
            }
        }
    }
    object
}
