//! What goes wrong: the code, the hint, the exit code, and no secret.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use simulated_control_plane::{Endpoint, ErrorShape, Fault, HeaderValue, Options, Rule, Source};

use crate::desk::{Desk, KEY, Ran};

/// Each command about a source, well said.
const COMMANDS: [&str; 8] = [
    "show app_mysql",
    "test app_mysql",
    "inspect app_mysql --database shop",
    "import app_mysql --table shop.orders --single-tenant",
    "generate app_mysql",
    "generate app_mysql --out out",
    "doctor app_mysql --database shop",
    "disable app_mysql --yes",
];

#[test]
fn a_name_that_no_source_has_is_not_found() {
    let desk = Desk::open();
    for words in COMMANDS {
        let error = desk.run(&words.replace("app_mysql", "nobody")).error(69);
        assert_eq!(error["message"], "SOURCE_NOT_FOUND: nobody", "{words}");
        assert!(error["hint"].as_str().unwrap().contains("sources list"));
    }
    let error = desk.run("show app_mysql --project-id prj_2").error(69);
    assert_eq!(error["error"], "SOURCE_NOT_FOUND", "of another project");
}

#[test]
fn a_name_that_two_sources_have_is_ambiguous() {
    let desk = Desk::open();
    for words in COMMANDS {
        let error = desk.run(&words.replace("app_mysql", "twice")).error(69);
        assert_eq!(error["message"], "SOURCE_AMBIGUOUS: twice", "{words}");
        assert!(error["hint"].as_str().unwrap().contains("id"));
    }
    let acted = |entry: &simulated_control_plane::Entry| entry.endpoint != Endpoint::ListSources;
    assert!(desk.simulator.requests_matching(acted).is_empty());
    desk.done("test src_3");
}

#[test]
fn an_id_that_is_unknown_is_the_server_s_404() {
    let desk = Desk::open();
    for words in COMMANDS {
        let error = desk.run(&words.replace("app_mysql", "src_99")).error(69);
        assert_eq!(error["error"], "SOURCE_NOT_FOUND", "{words}");
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains("HTTP 404, request id "),
            "{error}"
        );
    }
}

#[test]
fn a_name_that_looks_like_a_path_goes_nowhere_else() {
    let desk = Desk::open();
    for id in [
        ".",
        "..",
        "../../v1",
        "src_/../../x",
        "src_1/test",
        "src_%2e%2e",
    ] {
        assert_eq!(desk.run(&format!("show {id}")).code, 69, "{id}");
    }
    assert!(
        desk.simulator.breaches().is_empty(),
        "every request was one of the contract's"
    );
}

#[test]
fn a_wrong_key_ends_every_command_with_77() {
    let desk = Desk::open();
    for words in COMMANDS.into_iter().chain(["list"]) {
        let mut command = desk.command(words);
        let ran = Ran::of(command.env("SYNAPSOR_API_KEY", "planted_wrong_key"));
        let error = ran.error(77);
        assert_eq!(error["error"], "UNAUTHORIZED", "{words}");
        assert!(error["message"].as_str().unwrap().contains("HTTP 401"));
        assert!(error["hint"].is_string());
        assert!(!ran.stderr.contains("planted_wrong_key"));
    }
    desk.simulator.inject(Rule::on_any(Fault::status(403)));
    let error = desk.run("list").error(77);
    assert!(
        error["hint"].as_str().unwrap().contains("sources"),
        "{error}"
    );
}

#[test]
fn without_a_usable_key_nothing_is_sent() {
    let desk = Desk::open();
    let mut command = desk.command("list");
    let error = Ran::of(command.env_remove("SYNAPSOR_API_KEY")).error(78);
    assert_eq!(error["error"], "API_KEY_MISSING");
    let mut command = desk.command("list");
    assert_eq!(
        Ran::of(command.env("SYNAPSOR_API_KEY", " ")).error(78)["error"],
        "API_KEY_EMPTY"
    );
    let file = desk.home().join("key");
    fs::write(&file, KEY).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let error = desk.run("list --api-key-file key").error(78);
    assert_eq!(error["error"], "API_KEY_FILE_EXPOSED");
    assert!(desk.simulator.journal().is_empty());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = desk.command("list --api-key-file key");
    assert_eq!(Ran::of(command.env_remove("SYNAPSOR_API_KEY")).code, 0);
}

#[test]
fn a_control_plane_that_is_down_ends_every_command_with_75() {
    let desk = Desk::open();
    desk.simulator.go_down();
    for words in COMMANDS.into_iter().chain(["list"]) {
        let error = desk.run(words).error(75);
        assert_eq!(error["error"], "CONTROL_PLANE_UNREACHABLE", "{words}");
        assert!(error["hint"].as_str().unwrap().contains("base_url"));
    }
}

#[test]
fn what_passes_ends_with_75_and_what_is_refused_with_69() {
    let desk = Desk::open();
    let fault = |status: u16| Rule::on(Endpoint::TestSource, Fault::status(status));
    for (status, code, exit) in [
        (400, "BAD_REQUEST", 69),
        (409, "CONFLICT", 69),
        (422, "UNPROCESSABLE_ENTITY", 69),
        (429, "TOO_MANY_REQUESTS", 75),
        (500, "INTERNAL_SERVER_ERROR", 75),
        (503, "SERVICE_UNAVAILABLE", 75),
    ] {
        desk.simulator.clear_faults();
        desk.simulator.inject(fault(status));
        let error = desk.run("test src_1").error(exit);
        assert_eq!(error["error"], code);
        let entry = desk.simulator.journal().pop().unwrap();
        let id = entry.header("x-request-id").unwrap();
        let tail = format!("(HTTP {status}, request id {id})");
        assert!(
            error["message"].as_str().unwrap().ends_with(&tail),
            "{error}"
        );
        let human = desk.run("test src_1 --output human");
        assert!(
            human.stderr.starts_with(&format!("error: {code}: ")),
            "{}",
            human.stderr
        );
        assert!(human.stderr.contains("\nhint: "), "{}", human.stderr);
    }
}

#[test]
fn every_shape_of_an_error_shows_its_code() {
    for shape in [
        ErrorShape::ErrorCode,
        ErrorShape::Code,
        ErrorShape::ErrorDescription,
        ErrorShape::Errors,
    ] {
        let desk = Desk::empty(Options {
            error_shape: shape,
            ..Options::default()
        });
        desk.simulator.add_source(Source::new("src_1", "app"));
        let error = desk.run("inspect src_1 --database shop").error(69);
        assert_eq!(error["error"], "SOURCE_CALL_INVALID", "{shape:?}");
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains("must be a list of names"),
            "{error}"
        );
    }
}

#[test]
fn a_200_that_says_not_ok_is_an_error() {
    let desk = Desk::open();
    desk.simulator
        .inject(Rule::on_sources(Fault::not_ok("SOURCE_BUSY")));
    for words in COMMANDS.into_iter().chain(["list"]) {
        assert_eq!(desk.run(words).error(69)["error"], "SOURCE_BUSY", "{words}");
    }
}

#[test]
fn what_is_no_answer_of_a_control_plane_is_an_error_that_quotes_nothing() {
    let desk = Desk::open();
    let elsewhere = HeaderValue::from_static("http://127.0.0.1:1/");
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    for (fault, code, exit) in [
        (Fault::html(200), "CONTROL_PLANE_NOT_JSON", 69),
        (Fault::body(200, "planted {"), "CONTROL_PLANE_NOT_JSON", 69),
        (
            Fault::body(200, "[1]"),
            "CONTROL_PLANE_UNEXPECTED_ANSWER",
            69,
        ),
        (
            Fault::body(200, deep),
            "CONTROL_PLANE_UNEXPECTED_ANSWER",
            69,
        ),
        (
            Fault::body(200, "{\"a\":\"\\ud800\"}"),
            "CONTROL_PLANE_UNEXPECTED_ANSWER",
            69,
        ),
        (
            Fault::redirect(302, elsewhere),
            "CONTROL_PLANE_REDIRECT",
            69,
        ),
        (Fault::huge_body(100_000), "CONTROL_PLANE_TOO_LARGE", 69),
        (Fault::reset(), "CONTROL_PLANE_INTERRUPTED", 75),
        (Fault::hang(), "CONTROL_PLANE_TIMEOUT", 75),
    ] {
        desk.simulator.clear_faults();
        desk.simulator.inject(Rule::on(Endpoint::ShowSource, fault));
        let words = "show src_1 --request-timeout 2s --max-response-size 50kB";
        let ran = desk.run(words);
        assert_eq!(ran.error(exit)["error"], code);
        assert!(
            !ran.stderr.contains("planted") && !ran.stderr.contains("gateway"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn an_error_never_commands_the_terminal() {
    let desk = Desk::open();
    let body = "{\"code\":\"X\",\"message\":\"\\u001b[2J\u{9b}31mred\u{202e}\",\"request_id\":\"\\u0007r\"}";
    desk.simulator
        .inject(Rule::on(Endpoint::ShowSource, Fault::body(422, body)));
    for output in ["json", "human"] {
        let ran = desk.run(&format!("show src_1 --output {output}"));
        assert_eq!(ran.code, 69);
        let commands = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!ran.stderr.contains(commands), "{:?}", ran.stderr);
        assert!(ran.stderr.contains("red"), "{}", ran.stderr);
    }
}

#[test]
fn a_key_that_a_server_sends_back_in_an_error_is_struck_out() {
    let desk = Desk::open();
    let message = format!("Authorization: Bearer {KEY} is not welcome");
    let body = json!({ "code": KEY, "message": message, "request_id": KEY });
    desk.simulator
        .inject(Rule::on_any(Fault::body(422, body.to_string())));
    for words in COMMANDS {
        assert_eq!(desk.run(words).code, 69, "{words}");
        assert_eq!(
            desk.run(&format!("{words} --output human")).code,
            69,
            "{words}"
        );
    }
}

#[test]
fn a_key_that_a_server_sends_back_in_a_good_answer_is_struck_out_too() {
    let desk = Desk::open();
    let mut answer =
        json!({ "source_id": "src_2", "name": "app_mysql", "kind": "mysql", "status": KEY });
    answer["sources"] = json!([answer]);
    answer["notes"] = json!([{ "text": format!("you sent {KEY}!") }]);
    answer["files"] = json!([{ "path": KEY, "contents": KEY }]);
    desk.simulator
        .inject(Rule::on_any(Fault::body(200, answer.to_string())));
    let file = desk.home().join("key");
    fs::write(&file, KEY).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    for words in COMMANDS.into_iter().chain(["list"]) {
        let words = words.replace("--out out", "--out out --force");
        for output in ["json", "human"] {
            let words = format!("{words} --output {output}");
            let ran = desk.done(&words);
            assert!(ran.stdout.contains("[redacted]"), "{words}: {}", ran.stdout);
            let mut command = desk.command(&format!("{words} --api-key-file key"));
            let by_file = Ran::of(command.env_remove("SYNAPSOR_API_KEY"));
            assert_eq!(by_file.stdout, ran.stdout);
        }
    }
    let written = fs::read_to_string(desk.home().join("out/[redacted]"));
    assert_eq!(written.unwrap(), "[redacted]");
}

#[test]
fn a_missing_source_or_command_is_a_wrong_command_line() {
    let desk = Desk::open();
    for words in [
        "",
        "explode",
        "show",
        "show a b",
        "test",
        "inspect --database shop",
        "import",
        "generate",
        "doctor",
        "disable",
        "inspect src_1 --database a --schema b",
        "inspect src_1 --schema=",
        "list src_1",
        "show src_1 --yes",
    ] {
        let ran = desk.run(words);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{words}");
    }
    assert_eq!(
        Ran::of(desk.command("show").arg("")).code,
        2,
        "an empty name"
    );
    assert!(desk.simulator.journal().is_empty());
}

#[test]
fn the_help_of_every_command_has_examples() {
    let desk = Desk::open();
    for command in [
        "list", "show", "create", "test", "inspect", "import", "generate", "doctor", "disable",
    ] {
        let ran = desk.run(&format!("{command} --help"));
        assert_eq!(ran.code, 0);
        let example = format!("synapsor-writeback-mysql sources {command}");
        assert!(
            ran.stdout.matches(&example).count() > 1,
            "{command}: {}",
            ran.stdout
        );
    }
    assert!(desk.simulator.journal().is_empty());
}
