//! What a long-running worker says in the log: a line when its state changes, and never a flood of them.

use std::time::{Duration, Instant};

/// The shortest time between two lines that nobody asked for.
pub const SPACING: Duration = Duration::from_secs(60);

/// Decides whether a state is worth a line. The clock is the caller's.
#[derive(Clone, Debug, Default)]
pub struct Announcer {
    told: Option<(String, Instant)>,
}

impl Announcer {
    /// True when the state is another one than the line before said, and that line is old enough. `state` is what
    /// makes it another: a name and a code, not a request's id. To be asked again and again: a change that came too soon after
    /// the last line is told later, if it lasts.
    pub fn is_news(&mut self, now: Instant, state: &str) -> bool {
        let is_known = self.told.as_ref().is_some_and(|(told, _)| told == state);
        let is_too_soon = self
            .told
            .as_ref()
            .is_some_and(|(_, at)| now.saturating_duration_since(*at) < SPACING);
        if is_known || is_too_soon {
            return false;
        }
        self.tell(now, state);
        true
    }

    /// As [`Announcer::is_news`], for what a person did (a pause, a setting): told at once.
    pub fn is_news_at_once(&mut self, now: Instant, state: &str) -> bool {
        let is_news = self.told.as_ref().is_none_or(|(told, _)| told != state);
        if is_news {
            self.tell(now, state);
        }
        is_news
    }

    fn tell(&mut self, now: Instant, state: &str) {
        self.told = Some((state.to_owned(), now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_told_once() {
        let (mut announcer, now) = (Announcer::default(), Instant::now());
        assert!(announcer.is_news(now, "running"));
        assert!(!announcer.is_news(now + 10 * SPACING, "running"));
    }

    #[test]
    fn a_control_plane_that_comes_and_goes_makes_a_line_a_minute_at_most() {
        let (mut announcer, start) = (Announcer::default(), Instant::now());
        let lines = (0..3_600)
            .filter(|second| {
                let state = ["running", "backing off"][second % 2];
                announcer.is_news(start + Duration::from_secs(*second as u64), state)
            })
            .count();
        assert!(lines <= 60, "{lines} lines in an hour");
    }

    #[test]
    fn a_change_that_lasts_is_told_late_rather_than_never() {
        let (mut announcer, now) = (Announcer::default(), Instant::now());
        assert!(announcer.is_news(now, "backing off"));
        assert!(!announcer.is_news(now + SPACING / 2, "running"));
        assert!(announcer.is_news(now + SPACING, "running"));
    }

    #[test]
    fn what_a_person_did_is_told_at_once_and_once() {
        let (mut announcer, now) = (Announcer::default(), Instant::now());
        assert!(announcer.is_news(now, "running"));
        assert!(announcer.is_news_at_once(now, "paused"));
        assert!(!announcer.is_news_at_once(now, "paused"));
    }
}
