//! What processes tell each other in shared memory.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::pg::databases::split_names;
    use crate::worker::roster::{ROOM, Roster};
    use crate::worker::slot::{Leave, State};

    #[pg_test]
    fn a_worker_tells_why_it_leaves_and_is_believed_once() {
        let roster = Roster::create().unwrap();
        let number = roster.take(7.into()).unwrap();
        let slot = roster.slot(number);
        slot.show(State::BackingOff, "too busy");
        slot.leave(Leave::RoleFound(42.into()));
        let seen = roster.of(7.into()).unwrap();
        assert_eq!(seen.state(), State::BackingOff);
        assert_eq!(seen.reason.read(), "too busy");
        assert_eq!(seen.why_left(), Leave::RoleFound(42.into()));
        assert_eq!(seen.why_left(), Leave::Unexpectedly, "told once");
    }

    #[pg_test]
    fn a_roster_goes_with_its_launcher() {
        let roster = Roster::create().unwrap();
        let handle = roster.handle();
        drop(roster);
        assert!(Roster::attach(handle).is_none());
    }

    #[pg_test]
    fn a_roster_has_room_and_no_more_and_takes_slots_back() {
        let roster = Roster::create().unwrap();
        for database in 1..=ROOM {
            assert!(roster.take((database as u32).into()).is_some());
        }
        assert!(roster.take(9999.into()).is_none());
        roster.of(5.into()).unwrap().give_back();
        assert!(roster.of(5.into()).is_none());
        let number = roster.take(9999.into()).unwrap();
        assert_eq!(roster.slot(number).state(), State::Stopped);
    }

    #[pg_test]
    fn a_text_too_long_for_its_place_is_cut_between_characters() {
        let roster = Roster::create().unwrap();
        let number = roster.take(1.into()).unwrap();
        let slot = roster.slot(number);
        let long = "ä".repeat(1_000);
        slot.show(State::Idle, &long);
        let read = slot.reason.read();
        assert!(read.len() > 300 && long.starts_with(&read), "{read}");
        slot.show(State::Idle, "short");
        assert_eq!(slot.reason.read(), "short");
    }

    #[pg_test]
    fn a_start_and_a_stop_are_told_once() {
        let roster = Roster::create().unwrap();
        let number = roster.take(1.into()).unwrap();
        let slot = roster.slot(number);
        slot.stop();
        assert!(slot.is_stopped() && !slot.is_start_wanted());
        slot.start();
        assert!(!slot.is_stopped() && slot.is_start_wanted());
        assert!(!slot.is_start_wanted());
    }

    #[pg_test]
    fn names_of_databases_are_taken_apart_as_postgres_does_it() {
        let names = |list| split_names(list).map(|names| names.join("|"));
        assert_eq!(names(""), Some(String::new()));
        assert_eq!(names("shop , crm").as_deref(), Some("shop|crm"));
        assert_eq!(
            names(r#""My, ""Shop""",CRM"#).as_deref(),
            Some(r#"My, "Shop"|CRM"#)
        );
        assert_eq!(names("shop,"), None);
        assert_eq!(names(r#""shop"#), None);
    }
}
