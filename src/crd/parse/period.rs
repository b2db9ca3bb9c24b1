//! A period as Kubernetes writes it, `1h30m`: longer than nothing, without days, one spelling for each.

use std::time::Duration;

use super::Reader;

impl Reader {
    pub(super) fn period(&mut self, field: &str, text: &str) -> Option<Duration> {
        let period = seconds(text).filter(|seconds| *seconds > 0).map(Duration::from_secs);
        if period.is_none() {
            self.wrong(field, "must be a period such as 90s, 30m or 1h30m, longer than nothing");
        }
        period
    }

    pub(super) fn period_option(&mut self, field: &str, text: Option<&String>) -> Option<Duration> {
        text.and_then(|text| self.period(field, text))
    }
}

fn seconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0_u64;
    for (unit, seconds) in [('h', 3600), ('m', 60), ('s', 1)] {
        if let Some((number, after)) = rest.split_once(unit) {
            let digits = (1..=5).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
            total += number.parse::<u64>().ok().filter(|_| digits)? * seconds;
            rest = after;
        }
    }
    rest.is_empty().then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_hours_minutes_and_seconds_in_that_order() {
        for (text, expected) in [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("720h", 2_592_000), ("1h0m5s", 3605)] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for text in ["1d", "30", "m30", "30m1h", "1.5h", "-1h", "+1h", "1 h", "100000s", "1hm", "h"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn nothing_is_no_period() {
        for text in ["", "0s", "0h0m"] {
            let mut reader = Reader::default();
            assert_eq!(reader.period("spec.timeout", text), None, "{text}");
            assert_eq!(reader.errors[0].field, "spec.timeout");
        }
    }
}
