//! Dates and times in UTC, from the system clock alone.

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment as `2026-01-31T17:42:05Z`, from seconds since 1970.
pub fn stamp(seconds: u64) -> String {
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The present moment as `2026-01-31T17:42:05Z`.
pub fn now() -> String {
    stamp(seconds())
}

/// The seconds since 1970 of a moment that [`stamp`] wrote.
pub fn seconds_of(text: &str) -> Option<u64> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, by| {
        text.split(by)
            .map(|n| n.parse().ok())
            .collect::<Option<Vec<u64>>>()
    };
    let (day, time) = (numbers(day, '-')?, numbers(time, ':')?);
    let (&[year, month, day], &[hour, minute, second]) = (day.as_slice(), time.as_slice()) else {
        return None;
    };
    if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    // Days up to a first of March, when a leap day is the last of its year.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1;
    Some((days - 719_468) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// The present moment as it stands in folder names: `20260131-174205`.
pub(super) fn file_stamp() -> String {
    now().replace(['-', ':', 'Z'], "").replace('T', "-")
}

fn seconds() -> u64 {
    // A clock before 1970 is wrong anyway; names and logs still work with 0.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
fn date(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| {
        (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
    };
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month as u64 + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        assert_eq!(stamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(stamp(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(stamp(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(stamp(1_709_251_199), "2024-02-29T23:59:59Z");
        assert_eq!(stamp(1_735_689_599), "2024-12-31T23:59:59Z");
        assert_eq!(stamp(4_107_542_400), "2100-03-01T00:00:00Z");
    }

    #[test]
    fn moments_are_read_back() {
        for moment in [
            0,
            951_782_399,
            951_782_400,
            1_709_251_199,
            1_735_689_599,
            4_107_542_400,
        ] {
            assert_eq!(seconds_of(&stamp(moment)), Some(moment));
        }
        assert!(
            ["", "yesterday", "2026-01-31", "2026-13-01T00:00:00Z"]
                .iter()
                .all(|t| seconds_of(t).is_none())
        );
    }

    #[test]
    fn folder_names_hold_no_colons() {
        let name = file_stamp();
        assert_eq!(name.len(), 15, "{name}");
        assert!(
            name.chars().all(|c| c.is_ascii_digit() || c == '-'),
            "{name}"
        );
    }
}
