//! What is done to a system, drawn from a seed.

use std::thread;
use std::time::Duration;

use simulated_control_plane::{Delivery, Endpoint, Fault as Misdeed, Quirk, Rule, Simulator};
use synapsor_crash_points::{Order, Point};

use crate::case::Rows;
use crate::system::{Stop, System};

/// How long a fault may take to happen.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the control plane goes on misbehaving.
const A_WHILE: Duration = Duration::from_millis(250);

/// A fault.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Something at a crash point.
    Point(Point, Deed),
    /// The control plane misbehaves.
    ControlPlane(&'static str, Endpoint, Box<Misdeed>),
    /// The control plane is away for a moment.
    Away,
    /// Something that only this kind of system knows.
    Own(&'static str),
}

/// What happens at a crash point.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    /// The process that comes by dies.
    Kill,
    /// The server is stopped.
    Stop(Stop),
    /// An error comes up: its code and its class.
    Raise(&'static str, &'static str),
    /// Time stands still.
    Wait,
}

impl Fault {
    /// Draws one: half of them at crash points.
    pub fn draw(random: &mut fastrand::Rng, system: &dyn System) -> Self {
        match random.u32(0..10) {
            0..5 => {
                let point = Point::ALL[random.usize(0..Point::ALL.len())];
                Fault::Point(point, Deed::draw(random, system, point))
            }
            5..7 => misdeed(random),
            _ => {
                let own = system.own_faults();
                Fault::Own(own[random.usize(0..own.len())])
            }
        }
    }

    /// What it is counted as: where, and what.
    pub fn name(&self) -> (String, String) {
        let (place, what) = match self {
            Fault::Point(point, deed) => (point.name(), deed.name()),
            Fault::ControlPlane(what, Endpoint::Report, _) => {
                ("control plane: report", (*what).to_owned())
            }
            Fault::ControlPlane(what, _, _) => ("control plane: list", (*what).to_owned()),
            Fault::Away => ("control plane", "away".to_owned()),
            Fault::Own(what) => ("system", (*what).to_owned()),
        };
        (place.to_owned(), what)
    }

    /// Does it, and says whether it has happened.
    pub fn inflict(
        &self,
        system: &mut dyn System,
        simulator: &Simulator,
        rows: Rows,
        random: &mut fastrand::Rng,
    ) -> bool {
        match self {
            Fault::Point(point, deed) => at_point(system, *point, *deed),
            Fault::ControlPlane(_, endpoint, misdeed) => {
                let rule = Rule::on(*endpoint, (**misdeed).clone()).times(random.u64(1..4));
                let id = simulator.inject(rule);
                let happened = synapsor_testbed::within(PATIENCE, || simulator.applied(id) > 0);
                thread::sleep(A_WHILE);
                simulator.withdraw(id);
                happened
            }
            Fault::Away => {
                simulator.go_down();
                thread::sleep(A_WHILE);
                crate::system::persist("the control plane's address", || simulator.come_back());
                true
            }
            Fault::Own(what) => system.inflict(what, rows, random),
        }
    }
}

impl Deed {
    fn draw(random: &mut fastrand::Rng, system: &dyn System, point: Point) -> Self {
        let raises = point.can_raise() && system.can_raise_at(point);
        match random.u32(0..10) {
            0..4 => Deed::Kill,
            4 => Deed::Stop(Stop::Immediate),
            5 => Deed::Stop(Stop::Orderly),
            6..9 if raises => {
                let errors = system.errors();
                let (code, class) = errors[random.usize(0..errors.len())];
                Deed::Raise(code, class)
            }
            _ => Deed::Wait,
        }
    }

    fn name(self) -> String {
        match self {
            Deed::Kill => "kill".to_owned(),
            Deed::Stop(Stop::Immediate) => "server stops at once".to_owned(),
            Deed::Stop(Stop::Orderly) => "server stops in order".to_owned(),
            Deed::Raise(_, class) => format!("error: {class}"),
            Deed::Wait => "time stands still".to_owned(),
        }
    }

    fn order(self, system: &dyn System) -> Order {
        const LONG: u64 = 400;
        match self {
            Deed::Kill => Order::Kill,
            Deed::Stop(how) => system.stopping(how),
            Deed::Raise(code, _) => Order::Raise(code.to_owned()),
            Deed::Wait => Order::Wait(LONG),
        }
    }
}

fn at_point(system: &mut dyn System, point: Point, deed: Deed) -> bool {
    let order = deed.order(system);
    system.orders().give(point, &order);
    let happened = system.orders().is_taken(point, PATIENCE);
    if happened && matches!(deed, Deed::Stop(_)) {
        system.wait_for_end();
    }
    happened
}

/// Everything that a control plane can do wrong and a client has to survive.
fn misdeed(random: &mut fastrand::Rng) -> Fault {
    let on_both = [
        ("500", Misdeed::status(500)),
        ("503", Misdeed::status(503)),
        ("429", Misdeed::status(429).retry_after_ms(50)),
        ("401", Misdeed::status(401)),
        ("close", Misdeed::close()),
        ("reset", Misdeed::reset()),
        ("hang", Misdeed::hang()),
        ("half a body", Misdeed::delivered(Delivery::HalfBody)),
        ("endless body", Misdeed::delivered(Delivery::EndlessBody)),
        ("slow", Misdeed::latency(Duration::from_millis(200))),
        ("a web page", Misdeed::html(200)),
        ("404 of a bystander", Misdeed::html(404)),
        ("not ok", Misdeed::not_ok("INTERNAL").retryable(true)),
    ];
    let on_reports = [
        ("answer lost", Misdeed::answer_lost()),
        ("stored, then 500", Misdeed::status(500).after_the_work()),
        ("stored, then hang", Misdeed::hang().after_the_work()),
        (
            "stored, half a body",
            Misdeed::delivered(Delivery::HalfBody).after_the_work(),
        ),
        ("stays listed", Misdeed::quirk(Quirk::KeepListed)),
    ];
    let on_lists = [
        ("filters ignored", Misdeed::quirk(Quirk::IgnoreFilters)),
        ("paging ignored", Misdeed::quirk(Quirk::IgnorePaging)),
        ("cursor loops", Misdeed::quirk(Quirk::LoopingCursor)),
        (
            "not a list",
            Misdeed::body(200, &br#"{"proposals": 7}"#[..]),
        ),
        ("empty", Misdeed::empty_body()),
    ];
    let (endpoint, own) = match random.bool() {
        true => (Endpoint::Report, &on_reports),
        false => (Endpoint::List, &on_lists),
    };
    match random.usize(0..on_both.len() + own.len() + 1) {
        0 => Fault::Away,
        n => {
            let (what, misdeed) = on_both
                .into_iter()
                .chain(own.clone())
                .nth(n - 1)
                .unwrap_or_default();
            Fault::ControlPlane(what, endpoint, Box::new(misdeed))
        }
    }
}
