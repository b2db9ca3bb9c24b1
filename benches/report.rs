//! What was measured, beside its goal. A figure without a goal explains another one.

use std::fmt;

/// Rows as they are measured, and a table of them at the end.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Row>);

#[derive(Debug)]
struct Row {
    figure: String,
    value: String,
    goal: String,
}

/// The side on which a goal is met.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    fn met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "≤ {most}"),
            Self::AtLeast(least) => write!(f, "≥ {least}"),
        }
    }
}

impl Report {
    /// A figure that has a goal.
    pub(crate) fn goal(&mut self, figure: impl Into<String>, value: f64, unit: &str, goal: Goal) {
        let verdict = if goal.met(value) { "met" } else { "MISSED" };
        self.row(figure.into(), format!("{value:.2}{unit}"), format!("{goal}{unit}: {verdict}"));
    }

    /// A figure that explains another one.
    pub(crate) fn note(&mut self, figure: impl Into<String>, value: impl Into<String>) {
        self.row(figure.into(), value.into(), String::new());
    }

    fn row(&mut self, figure: String, value: String, goal: String) {
        eprintln!("{figure}: {value} {goal}");
        self.0.push(Row { figure, value, goal });
    }

    /// The table, ready to be pasted.
    pub(crate) fn print(&self) {
        println!("| figure | measured | goal |\n|---|---|---|");
        for Row { figure, value, goal } in &self.0 {
            println!("| {figure} | {value} | {goal} |");
        }
    }
}
