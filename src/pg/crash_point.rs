//! Crash points (see `synapsor_crash_points`), where an error that a test wants is one of Postgres's. Empty functions unless the build is
//! armed for the crash campaign.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, PgXactCallbackEvent, register_xact_callback};
use synapsor_crash_points::Point;

/// Does what a test has ordered for this point; raises the error that it asks for.
#[inline]
pub fn reach(point: Point) {
    if let Some(raise) = synapsor_crash_points::reach(point) {
        let code = PgSqlErrorCode::from(packed(&raise.code));
        let message = format!("crash point {point}");
        ErrorReport::new(code, message, "synapsor_writeback").report(PgLogLevel::ERROR);
    }
}

/// Has the commit of the current transaction come by its two points: in the middle of it, and when it is durable.
pub fn watch_commit() {
    if cfg!(feature = "crash_points") {
        register_xact_callback(PgXactCallbackEvent::PreCommit, || {
            reach(Point::BeforeCommit);
        });
        // Nothing can be raised here.
        register_xact_callback(PgXactCallbackEvent::Commit, || {
            let _ = synapsor_crash_points::reach(Point::AfterCommit);
        });
    }
}

/// A SQLSTATE as Postgres packs it: six bits for each character, counted from `'0'`.
fn packed(sqlstate: &str) -> i32 {
    let bits = |c: u8| i32::from(c.wrapping_sub(b'0') & 0x3f);
    let places = sqlstate.bytes().zip((0..).step_by(6));
    places.map(|(c, place)| bits(c) << place).sum()
}
