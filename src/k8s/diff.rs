//! The difference that a person reads, with secret values sealed before they become text.

use std::fmt::Write as _;

use serde_json::Value;
use similar::TextDiff;
use slipway_domain::digest::SecretKey;
use slipway_domain::runtime::ObjectRef;

use crate::compare::settled;
use crate::seal::sealed;

/// How much of one object's difference is kept.
const OBJECT_MAX: usize = 64 * 1024;
/// How much of a release's difference is kept.
const TOTAL_MAX: usize = 512 * 1024;

/// The unified difference of one object. `None` on either side means that it is not there.
pub(crate) fn unified(reference: &ObjectRef, old: Option<&Value>, new: Option<&Value>, key: &SecretKey) -> String {
    let text = |side: Option<&Value>| side.map(|object| yaml(&settled(&sealed(object, key)))).unwrap_or_default();
    let name = |side: Option<&Value>, what: &str| match side {
        Some(_) => format!("{reference} ({what})"),
        None => "nothing".to_owned(),
    };
    let (before, after) = (text(old), text(new));
    let diff = TextDiff::from_lines(before.as_str(), after.as_str());
    let text = diff.unified_diff().context_radius(3).header(&name(old, "live"), &name(new, "release")).to_string();
    shortened(text, OBJECT_MAX)
}

/// The differences of all objects.
pub(crate) fn joined(parts: impl IntoIterator<Item = String>) -> String {
    shortened(parts.into_iter().filter(|part| !part.is_empty()).collect(), TOTAL_MAX)
}

fn shortened(mut text: String, max: usize) -> String {
    if text.len() > max {
        let end = (0..=max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let left = text.len() - end;
        text.truncate(end);
        let _ = write!(text, "\n… {left} more bytes\n");
    }
    text
}

/// A value as YAML, for reading.
fn yaml(value: &Value) -> String {
    let mut out = String::new();
    node(value, 0, &mut out);
    out
}

fn node(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) => {
            for (name, item) in map {
                pad(indent, out);
                out.push_str(&scalar(name));
                out.push(':');
                field(item, indent, out);
            }
        }
        Value::Array(items) => {
            for item in items {
                let mut inner = String::new();
                if item.as_object().is_some_and(|map| !map.is_empty()) {
                    inner.push(' ');
                    node(item, indent + 2, &mut inner);
                    inner.replace_range(1..=indent + 2, "");
                } else {
                    field(item, indent, &mut inner);
                }
                pad(indent, out);
                out.push('-');
                out.push_str(&inner);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            pad(indent, out);
            out.push_str(&line(value));
            out.push('\n');
        }
    }
}

/// What follows `name:` or `-`.
fn field(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            node(value, indent + 2, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            node(value, indent + 2, out);
        }
        Value::String(text) if text.contains('\n') => {
            out.push_str(if text.ends_with('\n') { " |\n" } else { " |-\n" });
            for line in text.lines() {
                pad(indent + 2, out);
                out.push_str(line);
                out.push('\n');
            }
        }
        other => {
            out.push(' ');
            out.push_str(&line(other));
            out.push('\n');
        }
    }
}

fn line(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// Text as it is where it reads as text, quoted where it would read as something else.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '_')
        && text.parse::<f64>().is_err()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:@+=,% ".contains(&b))
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !matches!(text, "true" | "false" | "null" | "yes" | "no" | "on" | "off");
    if plain { text.to_owned() } else { Value::String(text.to_owned()).to_string() }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(data: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "uid": "1"}, "data": data})
    }

    fn reference(kind: &str) -> ObjectRef {
        ObjectRef { api_version: "v1".to_owned(), kind: kind.to_owned(), name: "a".to_owned() }
    }

    #[test]
    fn a_change_reads_line_by_line() {
        let old = config(&json!({"level": "info", "nginx.conf": "listen 80;\nserver a;\n", "on": "true"}));
        let new = config(&json!({"level": "debug", "nginx.conf": "listen 81;\nserver a;\n", "on": "true"}));
        let text = unified(&reference("ConfigMap"), Some(&old), Some(&new), &SecretKey::new([0; 32]));
        insta::assert_snapshot!(text, @r#"
        --- v1/ConfigMap/a (live)
        +++ v1/ConfigMap/a (release)
        @@ -1,8 +1,8 @@
         apiVersion: v1
         data:
        -  level: info
        +  level: debug
           nginx.conf: |
        -    listen 80;
        +    listen 81;
             server a;
           "on": "true"
         kind: ConfigMap
        "#);
    }

    #[test]
    fn lists_read_as_people_write_them() {
        let ports =
            json!({"ports": [{"name": "web", "port": 80}, {"list": [["a"], [], {}]}], "cpu": "1", "size": "1Gi"});
        insta::assert_snapshot!(yaml(&ports), @r#"
        cpu: "1"
        ports:
          - name: web
            port: 80
          - list:
              -
                - a
              - []
              - {}
        size: 1Gi
        "#);
    }

    #[test]
    fn a_secret_shows_that_it_changed_but_not_to_what() {
        let secret = |value: &str| {
            json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "a", "annotations": {"other/copy": "hunter22"}},
                "data": {"a": value},
            })
        };
        let (old, new) = (secret("aHVudGVyMjI="), secret("aHVudGVyMjM="));
        let text = unified(&reference("Secret"), Some(&old), Some(&new), &SecretKey::new([0; 32]));
        assert!(text.contains("-  a: hmac-sha256:") && text.contains("+  a: hmac-sha256:"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVy"), "{text}");
    }

    #[test]
    fn a_huge_difference_is_cut_and_says_so() {
        let new = config(&json!({"a": "ä".repeat(OBJECT_MAX)}));
        let text = unified(&reference("ConfigMap"), None, Some(&new), &SecretKey::new([0; 32]));
        assert!(text.len() < OBJECT_MAX + 100 && text.ends_with("more bytes\n"));
    }
}
