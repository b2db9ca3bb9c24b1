//! `${NAME}` becomes the variable's value, once: what was put in is never read again, so a value cannot name another variable.
//!
//! Only `${` + a letter or `_` + letters, digits or `_` + `}` is a placeholder. `$NAME`, `$(NAME)` and `${NAME:-x}` are
//! text. `$${NAME}` stands for the text `${NAME}`.

use std::collections::BTreeMap;

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
    fn every_missing_name_is_told() {
        assert_eq!(resolve("${A}-${_b}-${A}", &BTreeMap::new()).unwrap_err(), ["A", "_b", "A"]);
    }
}
