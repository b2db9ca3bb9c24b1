//! `${NAME}` becomes the variable's value, once: what was put in is never read again, so a value cannot name another variable.
//!
//! Only `${` + a letter or `_` + letters, digits or `_` + `}` is a placeholder. `$NAME`, `$(NAME)` and `${NAME:-x}` are
//! text. `$${NAME}` stands for the text `${NAME}`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The names that the texts of `objects` ask for and `variables` does not have.
pub fn missing(objects: &[Value], variables: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for object in objects {
        collect(object, variables, &mut names);
    }
    names
}

fn collect(value: &Value, variables: &BTreeMap<String, String>, names: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => names.extend(resolve(text, variables).err().into_iter().flatten()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, variables, names)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, variables, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Replaces the placeholders of `text`.
///
/// # Errors
/// The names that `variables` does not have, in the order of the text.
pub(crate) fn resolve(text: &str, variables: &BTreeMap<String, String>) -> Result<String, Vec<String>> {
    let mut out = String::with_capacity(text.len());
    let mut missing = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if let Some(name) = from.strip_prefix('$').and_then(name_at) {
            match variables.get(name) {
                Some(value) => out.push_str(value),
                None => missing.push(name.to_owned()),
            }
            rest = &from[name.len() + 3..];
        } else if let Some(name) = from.strip_prefix("$$").and_then(name_at) {
            out.push_str(&from[1..name.len() + 4]);
            rest = &from[name.len() + 4..];
        } else {
            out.push('$');
            rest = &from[1..];
        }
    }
    out.push_str(rest);
    if missing.is_empty() { Ok(out) } else { Err(missing) }
}

/// The name in `{NAME}…`.
fn name_at(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    let first = name.bytes().next()?;
    let shape = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !first.is_ascii_digit();
    shape.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("plain", "plain")]
    #[case("${A}", "1")]
    #[case("x${A}y${B_2}z", "x1y2z")]
    #[case("$A $(A) $ $$ {A}", "$A $(A) $ $$ {A}")]
    #[case("${A:-0} ${1A} ${} ${A-B} ${A", "${A:-0} ${1A} ${} ${A-B} ${A")]
    #[case("$${A}", "${A}")]
    #[case("$$${A}", "$${A}")]
    #[case("$$$${A}${A}", "$$${A}1")]
    #[case("${NESTED}", "${A}")]
    #[case("$${MISSING}", "${MISSING}")]
    #[case("ä${A}ö", "ä1ö")]
    fn a_placeholder_is_replaced_once(#[case] text: &str, #[case] wanted: &str) {
        let variables = [("A", "1"), ("B_2", "2"), ("NESTED", "${A}")];
        let variables = variables.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(resolve(text, &variables).unwrap(), wanted);
    }

    #[test]
    fn what_objects_ask_for_is_told_once_wherever_it_stands() {
        let object = serde_json::json!({"a": ["${B}", {"c": "${A} ${HAVE} $${TEXT}"}], "${KEY}": "${A}", "n": 1});
        let have = [("HAVE".to_owned(), String::new())].into();
        assert_eq!(missing(&[object], &have), ["A", "B"].map(str::to_owned).into());
    }

    #[test]
    fn every_missing_name_is_told() {
        assert_eq!(resolve("${A}-${_b}-${A}", &BTreeMap::new()).unwrap_err(), ["A", "_b", "A"]);
    }
}
