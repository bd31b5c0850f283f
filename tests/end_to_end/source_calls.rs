//! `synapsor_sources()` and its like: the control plane's view of the sources.

use serde_json::{Value, json};
use simulated_control_plane::{Endpoint, Fault, Options, Rule, Source};

use crate::stage::{Stage, Told};

fn stage() -> Stage {
    let stage = Stage::new();
    stage.simulator.add_source(Source::new("src_1", "shop"));
    let mysql = Source {
        kind: "mysql".to_owned(),
        ..Source::new("src_2", "office")
    };
    stage.simulator.add_source(mysql);
    stage
}

fn ask(stage: &Stage, call: &str) -> Value {
    let row = stage.operator().0.query_one(&format!("SELECT {call}"), &[]);
    row.unwrap_or_else(|error| panic!("{call}: {error:?}"))
        .get(0)
}

#[test]
fn all_sources_are_listed_and_ours_is_marked() {
    let stage = stage();
    let sources = |stage: &Stage| {
        let mut operator = stage.operator();
        let rows = operator
            .0
            .query("SELECT s::text FROM synapsor_sources() s", &[])
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect::<Vec<String>>()
    };
    let expected = [
        "(src_1,shop,postgres,active,t)",
        "(src_2,office,mysql,active,f)",
    ];
    assert_eq!(sources(&stage), expected);
    stage.database.set("synapsor.source_id", "");
    stage.database.set("synapsor.source_name", "shop");
    assert_eq!(sources(&stage), expected);
}

#[test]
fn our_own_source_is_shown_tried_looked_at_and_examined_and_another_by_id_or_name() {
    let stage = stage();
    assert_eq!(ask(&stage, "synapsor_source_show()")["name"], "shop");
    for other in ["src_2", "office"] {
        let shown = ask(&stage, &format!("synapsor_source_show('{other}')"));
        assert_eq!(
            (&shown["source_id"], &shown["kind"]),
            (&json!("src_2"), &json!("mysql"))
        );
    }
    assert_eq!(ask(&stage, "synapsor_source_test()")["status"], "connected");
    let looked = ask(&stage, "synapsor_source_inspect()");
    assert_eq!(looked["tables"][0]["schema"], "public");
    let looked = ask(&stage, "synapsor_source_inspect('shop', '{sales,stock}')");
    assert_eq!(looked["tables"][1]["schema"], "stock");
    let examined = ask(&stage, "synapsor_source_doctor(schemas => '{sales}')");
    assert_eq!(examined["checks"][1]["detail"], "sales");
    for (endpoint, calls) in [
        (Endpoint::ShowSource, 3),
        (Endpoint::TestSource, 1),
        (Endpoint::InspectSource, 2),
        (Endpoint::DoctorSource, 1),
    ] {
        assert_eq!(stage.simulator.calls(endpoint), calls, "{endpoint:?}");
    }
}

#[test]
fn what_goes_wrong_has_its_code_and_a_hint() {
    let stage = stage();
    for (call, code, sqlstate) in [
        (
            "synapsor_source_show('bakery')",
            "SOURCE_NOT_FOUND",
            "42704",
        ),
        ("synapsor_source_show('src_9')", "SOURCE_NOT_FOUND", "08P01"),
        (
            "synapsor_source_inspect(schemas => '{}')",
            "SOURCE_CALL_INVALID",
            "08P01",
        ),
    ] {
        let told = Told::by(stage.operator().0.query_one(&format!("SELECT {call}"), &[]));
        assert_eq!(
            (told.code(), told.sqlstate.as_str()),
            (code, sqlstate),
            "{told:?}"
        );
        assert_ne!(told.hint, "");
    }
    stage.database.set("synapsor.source_id", "");
    let told = Told::by(
        stage
            .operator()
            .0
            .query_one("SELECT synapsor_source_test()", &[]),
    );
    assert_eq!(told.code(), "SOURCE_NOT_CONFIGURED");
}

#[test]
fn a_key_that_comes_back_is_struck_out_and_what_jsonb_cannot_hold_replaced() {
    let stage = stage();
    let key = Options::default().api_key;
    let body = format!("{{\"ok\": true, \"note\": \"the key is {key}\\u0000\"}}");
    stage
        .simulator
        .inject(Rule::on(Endpoint::ShowSource, Fault::body(200, body)));
    let shown = ask(&stage, "synapsor_source_show()");
    assert_eq!(shown["note"], "the key is [redacted]\u{fffd}");
}
