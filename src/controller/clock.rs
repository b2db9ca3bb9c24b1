//! The one place that reads the clock.

use jiff::Timestamp;

/// Now, in whole microseconds: finer would not survive every store, and no person reads it.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
