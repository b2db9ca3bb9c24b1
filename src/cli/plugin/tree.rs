//! A tree of lines.

use std::fmt::Write as _;

/// A line, and what hangs on it.
#[derive(Debug, Default)]
pub(super) struct Node {
    text: String,
    children: Vec<Node>,
}

impl Node {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), children: Vec::new() }
    }

    pub(super) fn add(&mut self, child: Self) {
        self.children.push(child);
    }

    pub(super) fn line(&mut self, text: impl Into<String>) {
        self.add(Self::new(text));
    }

    /// The whole tree, its root first.
    pub(super) fn text(&self) -> String {
        let mut out = format!("{}\n", self.text);
        self.branches("", &mut out);
        out
    }

    fn branches(&self, before: &str, out: &mut String) {
        for (place, child) in self.children.iter().enumerate() {
            let last = place + 1 == self.children.len();
            let (here, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let _ = writeln!(out, "{before}{here}{}", child.text);
            child.branches(&format!("{before}{below}"), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_hang_where_they_belong() {
        let mut root = Node::new("root");
        let mut first = Node::new("first");
        first.line("leaf");
        root.add(first);
        root.line("second");
        insta::assert_snapshot!(root.text(), @r"
        root
        ├─ first
        │  └─ leaf
        └─ second
        ");
    }
}
