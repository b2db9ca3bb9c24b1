//! Columns as wide as what is in them, two spaces apart, as kubectl prints them.

use super::paint::Paint;

/// Lines of cells under a heading.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    pub(super) fn row(&mut self, cells: &[String]) {
        self.rows.push(cells.iter().map(|cell| plain(cell)).collect());
    }

    pub(super) fn text(&self, paint: Paint) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("   ").trim_end().to_owned()
        };
        let mut lines = self.rows.iter().map(line);
        let heading = lines.next().map(|heading| paint.bold(&heading) + "\n").unwrap_or_default();
        heading + &lines.map(|line| line + "\n").collect::<String>()
    }
}

/// Text that others wrote, on one line and without anything that a terminal would obey. Nothing is written as `-`.
pub(super) fn plain(text: &str) -> String {
    let text = crate::audit::log::printable(text);
    if text.is_empty() { "-".to_owned() } else { text }
}
