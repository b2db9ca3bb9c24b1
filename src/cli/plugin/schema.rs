//! What the API server's schema refuses, in a person's words: its sentence, without what only programs read.

use kube::core::response::StatusCause;
use serde::de::IgnoredAny;

/// Each field that is wrong, and what would be right.
pub(super) fn told(causes: &[StatusCause]) -> Option<String> {
    let fields: Vec<String> =
        causes.iter().map(|cause| format!("{}: {}", cause.field, sentence(&cause.message))).collect();
    (!fields.is_empty()).then(|| fields.join("; "))
}

/// `Invalid value: "object": must not be blank` says `must not be blank`.
fn sentence(message: &str) -> String {
    let (kind, rest) = message.split_once(": ").unwrap_or((message, ""));
    let said = match kind {
        "Duplicate value" => "it is there already, and what was said once stays",
        "Required value" if rest.is_empty() => "is required",
        "Required value" | "Forbidden" => rest,
        "Invalid value" | "Unsupported value" | "Too many" | "Too long" => after_value(rest),
        _ => message,
    };
    // The validator's own way to name the field once more.
    said.split_once(" in body should ").map_or_else(|| said.to_owned(), |(_, rule)| format!("must {rule}"))
}

/// What follows the value that was refused. Where there is none all of it is the sentence.
fn after_value(text: &str) -> &str {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => text[values.byte_offset()..].strip_prefix(": ").unwrap_or(text),
        Some(Err(_)) | None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_what_is_left_of_the_validators_words() {
        for (message, said) in [
            (r#"Invalid value: "object": must not be blank"#, "must not be blank"),
            (r#"Invalid value: "a: b": spec.version in body should match '^[a-z]$'"#, "must match '^[a-z]$'"),
            ("Too many: 21: must have at most 20 items", "must have at most 20 items"),
            ("Too long: may not be more than 63 bytes", "may not be more than 63 bytes"),
            (r#"Unsupported value: "x": supported values: "a", "b""#, r#"supported values: "a", "b""#),
            ("Required value: a rejection needs a note that says why", "a rejection needs a note that says why"),
            ("Required value", "is required"),
            ("Duplicate value: {\"id\":\"a\"}", "it is there already, and what was said once stays"),
            ("something else: entirely", "something else: entirely"),
        ] {
            assert_eq!(sentence(message), said);
        }
    }

    #[test]
    fn every_field_is_named() {
        let cause = |field: &str| StatusCause {
            reason: "FieldValueRequired".to_owned(),
            message: "Required value".to_owned(),
            field: field.to_owned(),
        };
        let said = told(&[cause("spec.risk"), cause("spec.service")]);
        assert_eq!(said.as_deref(), Some("spec.risk: is required; spec.service: is required"));
        assert_eq!(told(&[]), None);
    }
}
