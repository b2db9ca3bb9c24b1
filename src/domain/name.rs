//! A name that exists has been checked: every type here is built by `FromStr` and never holds anything its rule refuses.
//!
//! The bounds are public constants so that the CRD schemas state the same numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::blank::is_blank;

/// Why a text is not the name it was meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {problem}")]
pub struct NameError {
    /// What was being read, in the words of the resource ("service", "note").
    pub what: &'static str,
    /// What is wrong with it and what would be right.
    pub problem: String,
}

/// The longest DNS label.
pub const LABEL_MAX: usize = 63;
/// The longest name of a person, a service account or a group.
pub const ACTOR_MAX: usize = 253;
/// The longest note, in bytes.
pub const NOTE_MAX: usize = 2000;
/// The pattern of a DNS label, as the CRD schemas state it.
pub const LABEL_PATTERN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

fn label(what: &'static str, text: &str) -> Result<(), NameError> {
    let fits = !text.is_empty() && text.len() <= LABEL_MAX;
    let shape = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if fits && shape {
        return Ok(());
    }
    Err(NameError {
        what,
        problem: format!(
            "must be 1 to {LABEL_MAX} lower-case letters, digits or '-', starting and ending with a letter or digit"
        ),
    })
}

fn line(what: &'static str, text: &str, max: usize) -> Result<(), NameError> {
    if is_blank(text) {
        return Err(NameError { what, problem: "must not be empty".to_owned() });
    }
    if text.len() > max {
        return Err(NameError { what, problem: format!("must be at most {max} bytes, this is {}", text.len()) });
    }
    if text.chars().any(char::is_control) {
        return Err(NameError { what, problem: "must not contain control characters".to_owned() });
    }
    Ok(())
}

fn text(what: &'static str, text: &str, max: usize) -> Result<(), NameError> {
    if is_blank(text) {
        return Err(NameError { what, problem: "must not be empty".to_owned() });
    }
    if text.len() > max {
        return Err(NameError { what, problem: format!("must be at most {max} bytes, this is {}", text.len()) });
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                let check: fn(&'static str, &str) -> Result<(), NameError> = $check;
                check($what, text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A service: what is released and rolled back as one.
    ServiceName, "service", label
);
name!(
    /// The name of an Environment within its namespace.
    EnvironmentName, "environment", label
);
name!(
    /// The name of a Release within its namespace.
    ReleaseName, "release", label
);
name!(
    /// Who did something: a user, a service account, or `controller`.
    Actor, "actor", |what, text| line(what, text, ACTOR_MAX)
);
name!(
    /// What someone said about what they did. May span lines.
    Note, "note", |what, t| text(what, t, NOTE_MAX)
);
name!(
    /// The identity of one object for its whole life, as the API server gave it.
    Uid, "uid", |what, text| line(what, text, 64)
);

/// What Slipway calls itself in the history.
pub const CONTROLLER: &str = "controller";
/// What is said to anybody else who goes by that name.
pub const ACTOR_RESERVED: &str = "must not be 'controller', which is Slipway itself: name a person or an account";

impl Actor {
    /// The actor of every transition that nobody asked for by hand.
    pub fn controller() -> Self {
        Self(CONTROLLER.to_owned())
    }

    /// A word in the place of a name, in a sentence that somebody else completes.
    pub fn stand_in(word: &'static str) -> Self {
        Self(word.to_owned())
    }

    /// Somebody who is not Slipway: whoever asks, decides or is said to have.
    pub fn person(text: &str) -> Result<Self, NameError> {
        if text.trim() == CONTROLLER {
            return Err(NameError { what: "actor", problem: ACTOR_RESERVED.to_owned() });
        }
        text.parse()
    }
}

/// Namespace, name and uid of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ResourceId {
    /// The namespace it lives in.
    pub namespace: String,
    /// Its name there.
    pub name: String,
    /// Its identity; a recreated object has another one.
    pub uid: Uid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_dns_label() {
        for good in ["a", "payments", "a-1", &"x".repeat(63)] {
            assert!(good.parse::<ServiceName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "ä", "a b", &"x".repeat(64)] {
            assert!(bad.parse::<ServiceName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_note_may_span_lines_but_an_actor_may_not() {
        assert!("checked\nwith ops".parse::<Note>().is_ok());
        assert!("alice\nbob".parse::<Actor>().is_err());
        for blank in ["   ", "\u{200B}", "\u{3000}\n\u{FEFF}"] {
            assert!(blank.parse::<Note>().is_err() && blank.parse::<Actor>().is_err(), "{blank:?}");
        }
    }
}
