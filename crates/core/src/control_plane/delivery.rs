//! Many reports at once, as many as the server takes well and no more.

use std::ops::ControlFlow;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use super::client::Client;
use super::error::{ControlPlaneError, Disposition};
use super::proposals::Acceptance;
use crate::api_key::ApiKey;
use crate::report::Report;

/// Reports in flight at the start.
const FIRST_WINDOW: usize = 4;

/// Halvings in a row, without a final answer in between, after which the rest is left for later.
const MAX_HALVINGS: usize = 4;

/// The longest wait that is waited for; after a longer one the rest is left for later.
const SHORT_WAIT: Duration = Duration::from_secs(1);

/// How often a wait looks whether it is over.
const STEP: Duration = Duration::from_millis(20);

/// Enough for a call; the connections themselves are driven by the client's own thread.
const STACK_BYTES: usize = 512 * 1024;

/// How a delivery went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// How many reports were sent and answered: the first so many. The others are untouched.
    pub answered: usize,
    /// Why it ended.
    pub ending: Ending,
}

/// Why a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every report was answered, well or badly.
    Complete,
    /// The caller asked for it.
    Stopped,
    /// The server asked for a wait this long.
    Wait(Duration),
    /// The server says "not now" again and again, however few are in flight.
    Overloaded,
    /// There is no answer at all, the key is wrong, or what answers is not the control plane.
    Unusable,
}

type Answered = Result<Acceptance, ControlPlaneError>;

/// Sends reports, many at a time, and hands each answer to `on_answer` as it comes, with the report's index, on the
/// calling thread. The order of answers is the server's.
///
/// The number in flight starts at 4, grows by one with each answer that is final, up to `ceiling`, and halves with each
/// answer that says "not now". Nothing new is started once `stop` is set, once the server asks for a wait of more than a
/// second, or once an answer (or the lack of one) says that the others would fare the same; it returns when those
/// in flight are answered, which takes no longer than the client's request time-out.
///
/// # Panics
/// Carries a panic of one of its threads, or of `on_answer`, to the caller.
pub fn deliver(
    client: &Client,
    key: &ApiKey,
    reports: &[Report],
    ceiling: usize,
    stop: &AtomicBool,
    mut on_answer: impl FnMut(usize, Answered),
) -> Delivery {
    let send = |index: usize| client.report(key, &reports[index]);
    let (jobs, queue) = mpsc::channel();
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        let mut crew = Crew::new(scope, &send, &queue, jobs);
        let mut window = Window::new(ceiling);
        let mut pause = None;
        let mut ending = None;
        loop {
            ending = ending.or(stop.load(Ordering::Relaxed).then_some(Ending::Stopped));
            pause = pause.filter(|until| Instant::now() < *until);
            let is_open = ending.is_none() && pause.is_none();
            if is_open && crew.in_flight < window.size && crew.started < reports.len() {
                crew.start(window.round);
                continue;
            }
            let is_over = ending.is_some() || crew.started == reports.len();
            if crew.in_flight == 0 && is_over {
                let ending = ending.unwrap_or(Ending::Complete);
                return Delivery {
                    answered: crew.started,
                    ending,
                };
            }
            let Some((job, answer)) = crew.next_answer() else {
                continue;
            };
            match window.judge(job, &answer) {
                ControlFlow::Continue(wait) => {
                    pause = pause.max(wait.map(|wait| Instant::now() + wait));
                }
                ControlFlow::Break(why) => ending = ending.or(Some(why)),
            }
            on_answer(job.index, answer);
        }
    })
}

/// One report to send.
#[derive(Clone, Copy)]
struct Job {
    index: usize,
    /// The window's round in which it was started.
    round: usize,
}

/// How many may be in flight.
struct Window {
    size: usize,
    ceiling: usize,
    /// Counts the halvings. Answers to what was started before the last one can't speak against the new size.
    round: usize,
    halvings_in_a_row: usize,
}

impl Window {
    fn new(ceiling: usize) -> Self {
        let ceiling = ceiling.max(1);
        Window {
            size: FIRST_WINDOW.min(ceiling),
            ceiling,
            round: 0,
            halvings_in_a_row: 0,
        }
    }

    /// Learns from an answer: go on (after a short wait), or start nothing any more.
    fn judge(&mut self, job: Job, answer: &Answered) -> ControlFlow<Ending, Option<Duration>> {
        let Err(error) = answer else {
            return self.grow();
        };
        match error.disposition() {
            Disposition::Rejected => self.grow(),
            Disposition::Key | Disposition::Unusable => ControlFlow::Break(Ending::Unusable),
            Disposition::Retry { .. } if error.cause().is_no_answer() => {
                ControlFlow::Break(Ending::Unusable)
            }
            Disposition::Retry { after: Some(wait) } if wait > SHORT_WAIT => {
                ControlFlow::Break(Ending::Wait(wait))
            }
            Disposition::Retry { after } => self.shrink(job, after),
        }
    }

    fn grow(&mut self) -> ControlFlow<Ending, Option<Duration>> {
        self.halvings_in_a_row = 0;
        self.size = (self.size + 1).min(self.ceiling);
        ControlFlow::Continue(None)
    }

    fn shrink(
        &mut self,
        job: Job,
        wait: Option<Duration>,
    ) -> ControlFlow<Ending, Option<Duration>> {
        if job.round == self.round {
            self.halvings_in_a_row += 1;
            if self.halvings_in_a_row == MAX_HALVINGS {
                return ControlFlow::Break(Ending::Overloaded);
            }
            self.size = (self.size / 2).max(1);
            self.round += 1;
        }
        ControlFlow::Continue(wait)
    }
}

/// The threads that send, one report at a time each. They are started as the window grows.
struct Crew<'scope, 'env, F> {
    scope: &'scope Scope<'scope, 'env>,
    send: &'scope F,
    queue: &'scope Mutex<Receiver<Job>>,
    jobs: Sender<Job>,
    answers: Sender<(Job, thread::Result<Answered>)>,
    answered: Receiver<(Job, thread::Result<Answered>)>,
    threads: usize,
    /// Reports started so far: the index of the next one.
    started: usize,
    in_flight: usize,
}

impl<'scope, 'env, F> Crew<'scope, 'env, F>
where
    F: Fn(usize) -> Answered + Sync,
{
    fn new(
        scope: &'scope Scope<'scope, 'env>,
        send: &'scope F,
        queue: &'scope Mutex<Receiver<Job>>,
        jobs: Sender<Job>,
    ) -> Self {
        let (answers, answered) = mpsc::channel();
        Crew {
            scope,
            send,
            queue,
            jobs,
            answers,
            answered,
            threads: 0,
            started: 0,
            in_flight: 0,
        }
    }

    /// Starts the next report, on a thread that is free, else on a new one, else, on a machine that has none left, on
    /// one that will be free, or right here.
    fn start(&mut self, round: usize) {
        let job = Job {
            index: self.started,
            round,
        };
        self.started += 1;
        self.in_flight += 1;
        if self.in_flight > self.threads && self.hire().is_ok() {
            self.threads += 1;
        }
        if self.threads == 0 {
            let _ = self.answers.send((job, Ok((self.send)(job.index))));
        } else {
            let _ = self.jobs.send(job);
        }
    }

    fn hire(&self) -> std::io::Result<()> {
        let (send, queue, answers) = (self.send, self.queue, self.answers.clone());
        let work = move || {
            while let Some(job) = next_job(queue) {
                let answer = panic::catch_unwind(AssertUnwindSafe(|| send(job.index)));
                let _ = answers.send((job, answer));
            }
        };
        let thread = thread::Builder::new()
            .name("synapsor report".into())
            .stack_size(STACK_BYTES);
        thread.spawn_scoped(self.scope, work).map(|_| ())
    }

    /// The next answer, if one comes within a [`STEP`].
    fn next_answer(&mut self) -> Option<(Job, Answered)> {
        let (job, answer) = self.answered.recv_timeout(STEP).ok()?;
        self.in_flight -= 1;
        Some((
            job,
            answer.unwrap_or_else(|panic| panic::resume_unwind(panic)),
        ))
    }
}

/// The next report of the queue; none when there will be no more.
fn next_job(queue: &Mutex<Receiver<Job>>) -> Option<Job> {
    queue.lock().ok()?.recv().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control_plane::error::{Cause, Parts};

    const FIRST: Job = Job { index: 0, round: 0 };

    fn accepted() -> Answered {
        Ok(Acceptance {
            status: 200,
            request_id: "r".into(),
        })
    }

    fn busy() -> Answered {
        Err(ControlPlaneError::new(Parts {
            cause: Cause::Busy,
            status: Some(429),
            their_code: None,
            message: "busy".into(),
            request_id: "r".into(),
            says_retryable: false,
            retry_after: None,
        }))
    }

    #[test]
    fn all_that_was_sent_before_a_halving_counts_as_one() {
        let mut window = Window::new(64);
        while window.size < 32 {
            assert!(window.judge(FIRST, &accepted()).is_continue());
        }
        for _ in 0..32 {
            assert!(window.judge(FIRST, &busy()).is_continue());
            assert_eq!(window.size, 16);
        }
        let second = Job { index: 1, round: 1 };
        assert_eq!(window.round, second.round);
        assert!(window.judge(second, &busy()).is_continue());
        assert_eq!(window.size, 8);
    }

    #[test]
    fn a_thread_that_is_free_takes_the_next_report() {
        let send = |_| accepted();
        let (jobs, queue) = mpsc::channel();
        let queue = Mutex::new(queue);
        thread::scope(|scope| {
            let mut crew = Crew::new(scope, &send, &queue, jobs);
            for _ in 0..3 {
                crew.start(FIRST.round);
                while crew.next_answer().is_none() {}
            }
            assert_eq!(crew.threads, 1);
        });
    }
}
