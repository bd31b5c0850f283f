//! What a text says of a day and a time, before a type takes its part of it.

use std::ffi::{CStr, c_char, c_int};

use pgrx::pg_sys;

const MICROSECONDS: i64 = 1_000_000;

/// A day with a time on it, as Postgres reads one.
pub struct Moment {
    /// The time of day that is written, in microseconds.
    pub time: i64,
    /// How far the zone that is written is west of Greenwich, in microseconds; 0 without one.
    pub zone: i64,
}

impl Moment {
    /// Reads a text; `None` when it does not name a day, or is `infinity` or one of its like. The session's time zone
    /// must be UTC.
    pub fn read(text: &CStr) -> Option<Self> {
        const FIELDS: usize = pg_sys::MAXDATEFIELDS as usize;
        let mut copy = [0 as c_char; pg_sys::MAXDATELEN as usize + FIELDS];
        let mut fields = [std::ptr::null_mut::<c_char>(); FIELDS];
        let (mut kinds, mut count) = ([0 as c_int; FIELDS], 0);
        // SAFETY: the places are ours, as large as is said; the fields point into the copy.
        let parsed = unsafe {
            pg_sys::ParseDateTime(
                text.as_ptr(),
                copy.as_mut_ptr(),
                copy.len(),
                fields.as_mut_ptr(),
                kinds.as_mut_ptr(),
                FIELDS as c_int,
                &raw mut count,
            )
        };
        if parsed != 0 {
            return None;
        }
        // SAFETY: as they were just filled.
        unsafe { decode(&mut fields, &mut kinds, count) }
    }
}

/// # Safety
/// Fields and kinds are those of a parsed text, `count` of them.
unsafe fn decode(fields: &mut [*mut c_char], kinds: &mut [c_int], count: c_int) -> Option<Moment> {
    let (mut kind, mut zone, mut fraction) = (0, 0, 0);
    let mut tm = pg_sys::pg_tm::default();
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    let mut told = pg_sys::DateTimeErrorExtra::default();
    // SAFETY: the caller's promise, and places of ours.
    let decoded = unsafe {
        pg_sys::DecodeDateTime(
            fields.as_mut_ptr(),
            kinds.as_mut_ptr(),
            count,
            &raw mut kind,
            &raw mut tm,
            &raw mut fraction,
            &raw mut zone,
            #[cfg(not(any(feature = "pg14", feature = "pg15")))]
            &raw mut told,
        )
    };
    if decoded != 0 || kind != pg_sys::DTK_DATE as c_int {
        return None;
    }
    let seconds = (tm.tm_hour * 60 + tm.tm_min) * 60 + tm.tm_sec;
    Some(Moment {
        time: i64::from(seconds) * MICROSECONDS + i64::from(fraction),
        zone: i64::from(zone) * MICROSECONDS,
    })
}
