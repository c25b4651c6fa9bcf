//! The wall clock of the façade and the commands, and its ISO-8601 spelling.
//!
//! **Why one file.** The engine reads no clock at all; up here a record's `ts`, the age of a status and the seconds in a
//! summary need one, and they all ask here. Neighbours: everything in `lab` and `cli` that tells a time. Not here: the
//! producer's monotonic clock, which is `runtime::environment`'s; time zones: everything is UTC.

use std::sync::OnceLock;
use std::time::Duration;

use crate::time::Instant;

/// Milliseconds since the Unix epoch.
#[allow(
    clippy::disallowed_methods,
    reason = "the wall clock above the engine: this file is the one place for it"
)]
pub fn unix_time_ms() -> i64 {
    let since_epoch =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// Microseconds since the Unix epoch.
#[allow(
    clippy::disallowed_methods,
    reason = "the wall clock above the engine: this file is the one place for it"
)]
pub fn unix_time_us() -> i64 {
    let since_epoch =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}

/// `2026-02-03T04:05:06.789012Z` for microseconds since the Unix epoch.
pub fn iso_8601_us(timestamp_us: i64) -> String {
    let mut text = iso_8601(timestamp_us.div_euclid(1000));
    text.truncate(text.len().saturating_sub(1));
    format!("{text}{:03}Z", timestamp_us.rem_euclid(1000))
}

/// A point on the monotonic clock, counted from the first call in this process.
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the monotonic clock above the engine: this file is the one place for it"
)]
pub fn now() -> Instant {
    static BEGINNING: OnceLock<std::time::Instant> = OnceLock::new();
    let elapsed = BEGINNING.get_or_init(std::time::Instant::now).elapsed();
    Instant::from_nanos(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
}

/// How long ago [`now`] was called first: the process's age, for whoever calls it at the start of `main`.
pub fn since_start() -> Duration {
    now().since(Instant::from_nanos(0))
}

/// `2026-02-03T04:05:06.789Z` for milliseconds since the Unix epoch.
pub fn iso_8601(timestamp_ms: i64) -> String {
    let days = timestamp_ms.div_euclid(MS_PER_DAY);
    let ms_of_day = timestamp_ms.rem_euclid(MS_PER_DAY);
    let (year, month, day) = civil_date(days);
    let (hour, minute) = (ms_of_day / 3_600_000, ms_of_day / 60_000 % 60);
    let (second, millisecond) = (ms_of_day / 1000 % 60, ms_of_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

/// Year, month and day of a number of days since 1970-01-01, in the proleptic Gregorian calendar. Years are counted
/// from March, so that the leap day is a year's last; an era is 400 years.
const fn civil_date(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

const MS_PER_DAY: i64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    // The leap day and both ends of a year are where such arithmetic goes wrong.
    #[test]
    fn dates_around_leap_days_are_spelt_right() {
        assert_eq!(iso_8601(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso_8601(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso_8601(1_706_400_000_123), "2024-01-28T00:00:00.123Z");
        assert_eq!(iso_8601(1_735_689_599_999), "2024-12-31T23:59:59.999Z");
        assert_eq!(iso_8601(-1), "1969-12-31T23:59:59.999Z");
    }
}
