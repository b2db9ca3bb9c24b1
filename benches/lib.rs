//! The ratios of docs/PERFORMANCE.md.
