//! Texts that look like dates, times and intervals: every part in the forms that people and programs write, right and
//! wrong, and put together at random.
//!
//! `now`, `today` and their like are left out: what they mean depends on when it is asked.

use fastrand::Rng;

use super::hostile::pick;

const DATES: &[&str] = &[
    "2026-05-27",
    "2024-02-29",
    "2026-02-29",
    "2026-02-30",
    "1999-12-31",
    "0001-01-01",
    "2026-13-01",
    "05/06/2026",
    "20260527",
    "2026.147",
    "May 27, 2026",
    "27-May-2026",
    "J2451187",
    "2026-05-27 BC",
    "4713-11-24 BC",
    "4714-11-24 BC",
    "4714-11-23 BC",
    "294276-12-31",
    "294277-01-01",
    "5874897-12-31",
    "5874898-01-01",
    "300000-02-03",
    "99999-01-01",
    "2026-05",
    "26-05-27",
    "2000-01-01",
    "1582-10-10",
    "epoch",
    "infinity",
    "-infinity",
    "Wed 2026-05-27",
];

const TIMES: &[&str] = &[
    "10:11:12",
    "00:00:00",
    "00:00",
    "24:00:00",
    "24:00:00.000001",
    "23:59:60",
    "23:59:60.5",
    "23:59:61",
    "25:00",
    "10:11",
    "101112",
    "23:59:59.999999",
    "23:59:59.9999999",
    "10:11:12.5",
    "10:11:12.123456",
    "10:11:12.123456789",
    "10:11:12.0000004",
    "10:11:12.000",
    "10:11:12,5",
    "10 PM",
    "11:30 am",
    "13:00 pm",
    "allballs",
    "T101112",
    "00:00:00.1",
];

const ZONES: &[&str] = &[
    "",
    "",
    "",
    "Z",
    "z",
    "+00",
    "-00:00",
    "+05:30",
    "-08",
    "-0800",
    "+05:30:15",
    "+15:59:59",
    "+16",
    " UTC",
    " GMT",
    " EST",
    " EDT",
    " Europe/London",
    " America/New_York",
    " Asia/Kolkata",
    " Nowhere/Land",
    " PST8PDT",
    " zulu",
    " +1",
    "+05",
];

const INTERVALS: &[&str] = &[
    "1 day",
    "1 mon 2 days 03:04:05.678901",
    "P1M2DT3H4M5.678901S",
    "P1Y",
    "P1W",
    "PT0.000001S",
    "P0001-02-03T04:05:06",
    "-1 days +02:00:00",
    "1 year 2 months",
    "14 months",
    "1-2",
    "1.5 seconds",
    "1.5 days",
    "0.5 months",
    "1 year 2 days",
    "30 days",
    "1 month",
    "24:00:00",
    "3:04",
    "3:04:05",
    "5",
    "-5.5",
    "1 hour",
    "90 minutes",
    "1:30",
    "2 hours ago",
    "@ 1 minute",
    "178000000 years",
    "178956970 years",
    "178956971 years",
    "-178956970 years -8 mons",
    "2147483647 days",
    "2147483648 days",
    "1 century",
    "0.0000001 seconds",
    "1 fortnight",
    "1 day 1 day",
    "",
    "P",
    "infinity",
    "2562047788:00:54.775807",
    "2562047788:00:54.775808",
    "100 years 5 days 03:04:05.5",
    "1.123456 seconds",
    "0.999999 seconds",
    "1e3 days",
    "0",
    "00:00:00",
];

/// A date, mostly alone.
pub fn date(rng: &mut Rng) -> String {
    match rng.u8(0..10) {
        0..=6 => pick(rng, DATES).to_owned(),
        7 => format!("{} 00:00:00{}", pick(rng, DATES), pick(rng, ZONES)),
        _ => timestamp(rng),
    }
}

/// A date and a time, mostly with a zone.
pub fn timestamp(rng: &mut Rng) -> String {
    let date = match rng.u8(0..4) {
        0 => pick(rng, DATES).to_owned(),
        _ => format!(
            "{:04}-{:02}-{:02}",
            rng.u16(1..3000),
            rng.u8(1..13),
            rng.u8(1..29)
        ),
    };
    let (bare, era) = match date.strip_suffix(" BC") {
        Some(bare) => (bare, " BC"),
        None => (date.as_str(), ""),
    };
    match rng.u8(0..12) {
        0 => date,
        1 => format!("{date}{}", pick(rng, ZONES)),
        2 => format!("{} {date}", time(rng)),
        _ => {
            let separator = pick(rng, &["T", " ", "  ", "t"]);
            format!(
                "{bare}{separator}{}{}{era}",
                time_alone(rng),
                pick(rng, ZONES)
            )
        }
    }
}

/// A time of day, mostly without a date.
pub fn time(rng: &mut Rng) -> String {
    match rng.u8(0..10) {
        0 => format!("{}T{}", pick(rng, DATES), time_alone(rng)),
        1 => timestamp(rng),
        _ => format!("{}{}", time_alone(rng), pick(rng, ZONES)),
    }
}

/// An interval.
pub fn interval(rng: &mut Rng) -> String {
    match rng.u8(0..4) {
        0 => {
            let unit = pick(
                rng,
                &["years", "mons", "days", "hours", "min", "sec", "ms", "us"],
            );
            let fraction = pick(rng, &["", "", ".5", ".25", ".000001"]);
            format!("{}{fraction} {unit}", rng.i16(..))
        }
        _ => pick(rng, INTERVALS).to_owned(),
    }
}

fn time_alone(rng: &mut Rng) -> String {
    match rng.bool() {
        true => pick(rng, TIMES).to_owned(),
        false => {
            let fraction = pick(
                rng,
                &[
                    "", "", ".1", ".12", ".123", ".000001", ".500000", ".1234567",
                ],
            );
            format!(
                "{:02}:{:02}:{:02}{fraction}",
                rng.u8(0..24),
                rng.u8(0..60),
                rng.u8(0..60)
            )
        }
    }
}
