//! The way to the control plane, and what it knows of us.

use std::time::Duration;

use simulated_control_plane::{
    Certificate, Endpoint, Fault, HeaderName, HeaderValue, Options, Rule, Simulator, Source,
};

use super::Ward;
use crate::configuration::trust;
use crate::stage::SHARED;

#[test]
fn an_unknown_source_is_named_and_the_only_one_there_is_is_taken() {
    let ward = Ward::open();
    ward.set("source_id", "src_wrong");
    let hint = ward.healed("source", "SOURCE_NOT_FOUND");
    let database = ward.0.database.name();
    let expected = format!("ALTER DATABASE {database} SET synapsor.source_id = 'src_1';");
    assert_eq!(hint, expected);
}

#[test]
fn an_unknown_name_of_a_source_is_named_with_those_that_there_are() {
    let ward = Ward::open();
    ward.0.simulator.add_source(Source::new("src_2", "office"));
    ward.set("source_id", "");
    ward.set("source_name", "bakery");
    let hint = ward.diagnosed("source", "SOURCE_NOT_FOUND: bakery");
    for candidate in ["'src_1' (shop)", "'src_2' (office)"] {
        assert!(hint.contains(candidate), "{hint}");
    }
    ward.set("source_name", "shop");
    ward.is_well("source");
}

#[test]
fn no_source_at_all_is_named_and_the_only_one_there_is_is_taken() {
    let ward = Ward::open();
    ward.set("source_id", "");
    ward.healed("source", "SOURCE_NOT_CONFIGURED");
    ward.set("source_id", "");
    ward.0.simulator.go_down();
    let row = ward.row("reachability");
    assert_eq!(row.ok, Some(false), "{row:?}");
    assert!(ward.row("source").hint.contains("SET synapsor.source_id"));
}

#[test]
fn a_source_that_is_disabled_or_of_another_kind_is_named() {
    for (status, kind, words) in [
        (
            "disabled",
            "postgres",
            "source src_2 is disabled in Synapsor",
        ),
        ("active", "mysql", "source src_2 is of the kind mysql"),
    ] {
        let ward = Ward::open();
        ward.0.simulator.add_source(Source {
            status: status.to_owned(),
            kind: kind.to_owned(),
            ..Source::new("src_2", "other")
        });
        ward.set("source_id", "src_2");
        ward.diagnosed("source", words);
        ward.set("source_id", "src_1");
        ward.is_well("source");
    }
}

#[test]
fn a_clock_that_is_far_off_is_named() {
    let ward = Ward::open();
    let date = HeaderValue::from_static("Thu, 01 Jan 2099 00:00:00 GMT");
    let fault = Fault::latency(Duration::ZERO).header(HeaderName::from_static("date"), date);
    ward.0.simulator.inject(Rule::on(Endpoint::List, fault));
    let hint = ward.diagnosed("clock", "behind the control plane's");
    assert_eq!(hint, "$ timedatectl set-ntp true");
    ward.0.simulator.clear_faults();
    ward.is_well("clock");
}

#[test]
fn a_control_plane_that_is_down_is_named_and_what_hangs_on_it_is_left_open() {
    let ward = Ward::open();
    ward.0.simulator.go_down();
    ward.diagnosed("reachability", "CONTROL_PLANE_UNREACHABLE");
    for unknown in ["TLS", "authentication", "source", "clock"] {
        assert_eq!(ward.row(unknown).ok, None, "{unknown}");
    }
    // What needs no control plane is examined all the same.
    ward.is_well("role");
    ward.0.simulator.come_back().unwrap();
    for well in ["TLS", "reachability", "authentication", "source", "clock"] {
        ward.is_well(well);
    }
}

#[test]
fn a_control_plane_that_has_trouble_is_told_from_one_that_is_down() {
    let ward = Ward::open();
    ward.0
        .simulator
        .inject(Rule::on(Endpoint::List, Fault::status(503)));
    ward.diagnosed("reachability", "HTTP 503");
}

#[test]
fn a_certificate_of_nobody_known_is_named() {
    let mut ward = Ward::open();
    let options = Options {
        tls: Some(Certificate::Valid),
        ..Options::default()
    };
    ward.0.simulator = Simulator::start(options).unwrap();
    ward.0.simulator.add_source(Source::new("src_1", "shop"));
    ward.set("base_url", &ward.0.simulator.base_url());
    let hint = ward.diagnosed("TLS", "CONTROL_PLANE_TLS");
    assert!(hint.contains("SET synapsor.ca_file"), "{hint}");
    trust(&ward.0, &SHARED);
    ward.is_well("TLS");
    ward.is_well("reachability");
}

#[test]
fn an_authority_s_file_that_is_not_there_and_a_base_url_that_is_none_are_named() {
    let ward = Ward::open();
    ward.set("ca_file", "/no/such/file.pem");
    ward.diagnosed("TLS", "CA_FILE_UNREADABLE");
    ward.set("ca_file", "");
    ward.set("base_url", "synapsor");
    let hint = ward.diagnosed("settings", "BASE_URL_");
    assert!(
        hint.contains("SET synapsor.base_url = 'https://synapsor.ai'"),
        "{hint}"
    );
}
