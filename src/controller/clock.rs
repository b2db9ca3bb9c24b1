//! The one place that reads the clocks.

use std::time::Instant;

use jiff::Timestamp;

/// Now, in whole microseconds: finer would not survive every store, and no person reads it.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// A clock that never goes back, for how long something took or is good for.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}
