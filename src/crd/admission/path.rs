//! Whether there is something at a path: each step is looked at before the next.

/// Whether the entry at `path` of the spec of `of` is there.
pub(super) fn present(of: &str, path: &str) -> String {
    at(&format!("{of}.spec"), path)
}

/// Whether there is something at `path` of `of`, which is there.
pub(super) fn at(of: &str, path: &str) -> String {
    let steps = path.match_indices('.').map(|(at, _)| &path[..at]).chain([path]);
    steps.map(|step| format!("has({of}.{step})")).collect::<Vec<_>>().join(" && ")
}
