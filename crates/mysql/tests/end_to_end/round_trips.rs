//! How often the program waits for the server: on a network, that is most of the time that a proposal takes.

use std::ops::Range;

use synapsor_mysql_testbed::{Flavor, Proxy};

use crate::agreement::Deed;
use crate::stage::Stage;

on_both! {
    a_proposal_takes_no_more_round_trips_than_it_needs
}

/// Round trips of a poll that applies so many proposals.
fn round_trips(stage: &Stage, proxy: &Proxy, deed: Deed, tickets: Range<i64>) -> usize {
    let count = tickets.clone().count();
    tickets.for_each(|n| stage.approve(stage.propose(deed, deed.ticket(n))));
    let before = proxy.round_trips();
    let polled = stage.poll();
    assert_eq!(polled.summary()["applied"], count, "{polled:?}");
    proxy.round_trips() - before
}

fn a_proposal_takes_no_more_round_trips_than_it_needs(flavor: Flavor) {
    const MANY: usize = 10;
    let (stage, proxy) = Stage::new(flavor).behind_a_proxy();
    for (n, (deed, most)) in (0..).zip([(Deed::Close, 6), (Deed::Open, 5), (Deed::Remove, 6)]) {
        let first = 1 + 30 * n;
        let of_one = round_trips(&stage, &proxy, deed, first..first + 1);
        let of_more = round_trips(&stage, &proxy, deed, first + 1..first + 2 + MANY as i64);
        let each = (of_more - of_one).div_ceil(MANY);
        assert!(each <= most, "{deed:?}: {each} round trips");
    }
}
