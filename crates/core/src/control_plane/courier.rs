//! Sends reports, many at once, while its owner does something else.

use std::any::Any;
use std::collections::VecDeque;
use std::ops::{ControlFlow, Range};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::client::Client;
use super::window::{Answered, Ending, Window};
use crate::api_key::ApiKey;
use crate::report::Report;

/// Answers that have come before its owner is woken for them, unless nothing more will come.
const WORTH_A_LOOK: usize = 100;

/// Sends what it is handed, in that order, and keeps the answers until they are asked for.
///
/// The number in flight starts at 4, grows by one with each answer that is final, up to a ceiling, and halves with each
/// answer that says "not now"; what it has learned it keeps for as long as it lives. Once a server asks for a wait of more than a
/// second, or an answer (or the lack of one) says that the others would fare the same, what is not in flight comes back
/// unsent. Dropped, it starts nothing new; what is in flight is still answered, to nobody.
pub struct Courier {
    orders: UnboundedSender<Order>,
    events: Receiver<Event>,
    unread: Arc<AtomicUsize>,
    handed_over: usize,
    outstanding: usize,
    ending: Option<Ending>,
}

/// What became of a report.
#[derive(Debug)]
pub enum Fate {
    /// It was sent, and this came back.
    Answered(Answered),
    /// It was not sent.
    Unsent,
}

enum Order {
    Send(Vec<Report>),
    Stop,
}

enum Event {
    Fate(usize, Fate),
    Ended(Ending),
    Panicked(Box<dyn Any + Send>),
}

impl Courier {
    /// Starts one, with at most `ceiling` reports in flight. `wake` is called, on another thread, when it is time to look for
    /// answers.
    pub fn start(
        client: &Client,
        key: &ApiKey,
        ceiling: usize,
        wake: impl Fn() + Send + 'static,
    ) -> Self {
        let (orders, received) = unbounded_channel();
        let (events, happened) = mpsc::channel();
        let unread = Arc::new(AtomicUsize::new(0));
        let office = Office {
            client: client.clone(),
            key: key.clone(),
            orders: received,
            events,
            unread: Arc::clone(&unread),
            wake: Box::new(wake),
            window: Window::new(ceiling),
            queue: VecDeque::new(),
            next: 0,
            in_flight: JoinSet::new(),
            pause: None,
            ending: None,
        };
        client.engine.spawn(office.run());
        Courier {
            orders,
            events: happened,
            unread,
            handed_over: 0,
            outstanding: 0,
            ending: None,
        }
    }

    /// Hands reports over to be sent; returns their numbers.
    pub fn hand_over(&mut self, reports: Vec<Report>) -> Range<usize> {
        self.begin_anew();
        let numbers = self.handed_over..self.handed_over + reports.len();
        self.handed_over = numbers.end;
        self.outstanding += reports.len();
        // Where nobody takes it any more, `next` says so.
        let _ = self.orders.send(Order::Send(reports));
        numbers
    }

    /// Forgets why an earlier delivery ended, once all of it is known.
    pub fn begin_anew(&mut self) {
        if self.outstanding == 0 {
            self.ending = None;
        }
    }

    /// How many have been handed over of which nothing is known yet.
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Why nothing is sent any more, until all that was handed over is answered or has come back.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Has what is not in flight come back unsent.
    pub fn stop(&self) {
        let _ = self.orders.send(Order::Stop);
    }

    /// What became of one more report, and its number, if that is known within so long.
    ///
    /// # Panics
    /// Carries a panic of the other side to the caller.
    pub fn next(&mut self, wait: Duration) -> Option<(usize, Fate)> {
        while self.outstanding > 0 {
            match self.events.recv_timeout(wait) {
                Ok(Event::Fate(number, fate)) => {
                    self.unread.fetch_sub(1, Ordering::Relaxed);
                    self.outstanding -= 1;
                    return Some((number, fate));
                }
                Ok(Event::Ended(why)) => self.ending = self.ending.or(Some(why)),
                Ok(Event::Panicked(panic)) => panic::resume_unwind(panic),
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("what sends the reports has gone")
                }
            }
        }
        None
    }
}

/// One report in flight.
struct Sent {
    number: usize,
    /// The window's round in which it was started.
    round: usize,
    answer: Answered,
}

/// The side that sends, on the client's own thread.
struct Office {
    client: Client,
    key: ApiKey,
    orders: UnboundedReceiver<Order>,
    events: Sender<Event>,
    unread: Arc<AtomicUsize>,
    wake: Box<dyn Fn() + Send>,
    window: Window,
    queue: VecDeque<Report>,
    /// The number of the queue's first report.
    next: usize,
    in_flight: JoinSet<Sent>,
    pause: Option<Instant>,
    ending: Option<Ending>,
}

impl Office {
    async fn run(mut self) {
        loop {
            self.start_what_may();
            let paused = self.pause;
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(Order::Send(reports)) => self.queue.extend(reports),
                    Some(Order::Stop) if self.has_work() => self.end(Ending::Stopped),
                    // It came too late.
                    Some(Order::Stop) => {}
                    None => break,
                },
                Some(sent) = self.in_flight.join_next(), if !self.in_flight.is_empty() => match sent {
                    Ok(sent) => self.answered(sent),
                    Err(error) => self.happened(Event::Panicked(error.into_panic())),
                },
                () = sleep_until(paused.unwrap_or_else(Instant::now)), if paused.is_some() => self.pause = None,
            }
            self.wake_if_worth_it();
        }
        while self.in_flight.join_next().await.is_some() {}
    }

    fn start_what_may(&mut self) {
        if self.ending.is_some() {
            self.send_back();
        }
        while self.pause.is_none() && self.in_flight.len() < self.window.size {
            let Some(report) = self.queue.pop_front() else {
                return;
            };
            let (client, key) = (self.client.clone(), self.key.clone());
            let (number, round) = (self.next, self.window.round);
            self.next += 1;
            self.in_flight.spawn(async move {
                let answer = client.send_report(&key, &report).await;
                Sent {
                    number,
                    round,
                    answer,
                }
            });
        }
    }

    fn answered(&mut self, sent: Sent) {
        match self.window.judge(sent.round, &sent.answer) {
            ControlFlow::Continue(wait) => {
                self.pause = self.pause.max(wait.map(|wait| Instant::now() + wait));
            }
            ControlFlow::Break(why) => self.end(why),
        }
        self.happened(Event::Fate(sent.number, Fate::Answered(sent.answer)));
    }

    fn end(&mut self, why: Ending) {
        if self.ending.is_none() {
            self.ending = Some(why);
            self.happened(Event::Ended(why));
        }
    }

    /// What is queued comes back; once nothing is in flight any more, all is over, and what is handed over next is sent again.
    fn send_back(&mut self) {
        while self.queue.pop_front().is_some() {
            self.happened(Event::Fate(self.next, Fate::Unsent));
            self.next += 1;
        }
        if self.in_flight.is_empty() {
            self.ending = None;
            self.pause = None;
            self.window.begin_anew();
        }
    }

    fn has_work(&self) -> bool {
        !(self.queue.is_empty() && self.in_flight.is_empty())
    }

    fn happened(&mut self, event: Event) {
        if matches!(event, Event::Fate(..)) {
            self.unread.fetch_add(1, Ordering::Relaxed);
        }
        // The owner may have gone.
        let _ = self.events.send(event);
    }

    fn wake_if_worth_it(&mut self) {
        if self.ending.is_some() {
            self.send_back();
        }
        if !self.has_work() || self.unread.load(Ordering::Relaxed) >= WORTH_A_LOOK {
            (self.wake)();
        }
    }
}
