//! A doctor's look: what can be told from a few answers.

use std::time::{Duration, SystemTime};

use simulated_control_plane::{Endpoint, Fault, HeaderName, HeaderValue, Rule, Simulator, Source};
use synapsor_core::control_plane::{Cause, Checkup, OurSource, SourceError};
use synapsor_core::listed::Listed;

use crate::support::{client, key, simulator};

fn look(simulator: &Simulator, source: &str, is_id: bool) -> Checkup {
    let ours = OurSource {
        kind: "postgres",
        project_id: None,
        source: source.into(),
        is_id,
    };
    client(simulator).check_up(&key(), &ours, 2)
}

fn with_a_source() -> Simulator {
    let simulator = simulator();
    simulator.add_source(Source::new("src_1", "shop"));
    for n in 1..=3 {
        let proposal =
            format!(r#"{{"proposal_id": "wrp_{n}", "source_id": "src_1", "status": "approved"}}"#);
        simulator.add_proposal(proposal).unwrap();
    }
    simulator
}

#[test]
fn all_is_well_where_the_source_is_there_and_no_more_than_one_page_is_read() {
    let simulator = with_a_source();
    for (source, is_id) in [("src_1", true), ("shop", false)] {
        let checkup = look(&simulator, source, is_id);
        let (id, listed) = checkup.listed.unwrap();
        assert_eq!((id.as_str(), listed.len()), ("src_1", 2));
        assert!(
            listed
                .iter()
                .all(|element| matches!(element, Listed::Proposal(_)))
        );
        assert!(checkup.source.unwrap().is_ok());
        assert!(checkup.sources.is_empty());
        assert!(checkup.clock_ahead.unwrap().abs() <= 2);
    }
    assert_eq!(simulator.calls(Endpoint::List), 2);
}

#[test]
fn a_source_that_is_not_there_comes_with_those_that_are() {
    let simulator = with_a_source();
    let checkup = look(&simulator, "src_9", true);
    let error = checkup.source.unwrap().unwrap_err();
    assert_eq!(error.status(), Some(404));
    assert_eq!(checkup.sources.len(), 1);
    let checkup = look(&simulator, "bakery", false);
    assert_eq!(
        checkup.listed.unwrap_err(),
        SourceError::NotFound("bakery".into())
    );
    assert_eq!(checkup.sources.len(), 1);
    assert!(checkup.source.is_none() && checkup.clock_ahead.is_none());
}

#[test]
fn the_clocks_are_compared_by_the_date_of_the_answer() {
    let simulator = with_a_source();
    let hour = Duration::from_secs(3600);
    for (date, expected) in [
        (SystemTime::now() + hour, 3600),
        (SystemTime::now() - hour, -3600),
    ] {
        let date = HeaderValue::try_from(httpdate::fmt_http_date(date)).unwrap();
        let fault = Fault::latency(Duration::ZERO).header(HeaderName::from_static("date"), date);
        let rule = simulator.inject(Rule::on(Endpoint::List, fault));
        let ahead = look(&simulator, "src_1", true).clock_ahead.unwrap();
        assert!((ahead - expected).abs() <= 5, "{ahead}");
        simulator.withdraw(rule);
    }
    let nonsense = HeaderValue::from_static("some day");
    let fault = Fault::latency(Duration::ZERO).header(HeaderName::from_static("date"), nonsense);
    simulator.inject(Rule::on(Endpoint::List, fault));
    assert_eq!(look(&simulator, "src_1", true).clock_ahead, None);
}

#[test]
fn the_first_call_that_fails_is_told_and_nothing_more_is_asked() {
    let simulator = with_a_source();
    simulator.inject(Rule::on(Endpoint::List, Fault::status(503)));
    let checkup = look(&simulator, "src_1", true);
    match checkup.listed.unwrap_err() {
        SourceError::ControlPlane(error) => assert_eq!(error.cause(), Cause::Unavailable),
        other => panic!("{other}"),
    }
    assert!(checkup.source.is_none());
    assert_eq!(simulator.calls(Endpoint::ShowSource), 0);
}
