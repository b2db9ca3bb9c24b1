//! Colour is for terminals: there is none in a pipe, and none for whoever sets `NO_COLOR`.

use std::io::{self, IsTerminal as _};

/// What paints, or leaves as it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint(bool);

impl Paint {
    /// For what goes to stdout.
    pub(super) fn stdout() -> Self {
        Self(io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
    }

    /// No colour.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self(false)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    pub(super) fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    pub(super) fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(super) fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    pub(super) fn cyan(self, text: &str) -> String {
        self.with("36", text)
    }

    /// A unified difference, line by line.
    pub(super) fn difference(self, text: &str) -> String {
        let line = |line: &str| {
            let plain = line.trim_end_matches('\n');
            let painted = match plain.as_bytes() {
                [b'-', b'-', b'-', b' ', ..] | [b'+', b'+', b'+', b' ', ..] => self.bold(plain),
                [b'@', ..] => self.cyan(plain),
                [b'-', ..] => self.red(plain),
                [b'+', ..] => self.green(plain),
                _ => plain.to_owned(),
            };
            painted + &line[plain.len()..]
        };
        text.split_inclusive('\n').map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_painted_by_its_first_character_and_loses_none() {
        let text = "--- a\n+++ b\n@@ -1 +1 @@\n x\n-y\n+z";
        assert_eq!(Paint::none().difference(text), text);
        let painted = Paint(true).difference(text);
        assert!(
            painted.contains("\u{1b}[31m-y\u{1b}[0m\n") && painted.ends_with("\u{1b}[32m+z\u{1b}[0m"),
            "{painted:?}"
        );
    }
}
