//! What time it is for whoever looks, and how far away another time is.

use jiff::{SignedDuration, Timestamp};

/// Now.
#[expect(clippy::disallowed_methods, reason = "a person reads times against their own clock; nothing is decided by it")]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

/// `5m ago`, `in 2h`.
pub(super) fn relative(at: Timestamp, now: Timestamp) -> String {
    let distance = at.duration_since(now);
    if distance.is_positive() { format!("in {}", short(distance)) } else { format!("{} ago", short(distance)) }
}

/// The largest unit that says it, as kubectl writes ages; below ten of it with the next smaller one.
pub(super) fn short(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().unsigned_abs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let with = |big: u64, unit: &str, small: u64, part: &str| {
        if big < 10 && small > 0 { format!("{big}{unit}{small}{part}") } else { format!("{big}{unit}") }
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => with(minutes, "m", seconds % 60, "s"),
        (0, _, _) => with(hours, "h", minutes % 60, "m"),
        (_, _, _) => with(days, "d", hours % 24, "h"),
    }
}

/// `30s`, `5m`, `2h`: how long to wait at most.
pub(super) fn period(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || format!("{text:?} is no duration: write it as 30s, 5m or 2h");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(std::time::Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_reads_at_a_glance() {
        let read = |seconds: i64| short(SignedDuration::from_secs(seconds));
        let read = [5, 90, -600, 3600, 5400, 40 * 3600, 864_000].map(read);
        assert_eq!(read, ["5s", "1m30s", "10m", "1h", "1h30m", "1d16h", "10d"]);
    }

    #[test]
    fn a_period_has_a_unit() {
        assert_eq!(period("5m").map(|period| period.as_secs()), Ok(300));
        for wrong in ["", "5", "m", "-1s", "5d", "1.5h", "5ä"] {
            assert!(period(wrong).is_err(), "{wrong}");
        }
    }
}
