//! The admin surface: what a person does to the control plane with curl.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::answer::{Answer, ErrorShape, Refusal, json_answer, typed_answer};
use crate::control_plane::{ControlPlane, Decision};
use crate::journal::Entry;
use crate::page::Query;
use crate::proposals::Status;
use crate::report::Report;
use crate::rule::RuleId;
use crate::rule_spec::RuleSpec;
use crate::sources::Source;

/// Where the surface begins.
pub(crate) const PREFIX: &str = "/admin";

const HELP: &str = include_str!("admin.md");

pub(crate) fn decide(control_plane: &mut ControlPlane, request: &Request<Bytes>) -> Decision {
    let answer = answer(control_plane, request)
        .unwrap_or_else(|refusal| refusal.into_answer(ErrorShape::ErrorCode, "admin"));
    Decision {
        answer,
        latency: Duration::ZERO,
        delivery: None,
    }
}

fn answer(plane: &mut ControlPlane, request: &Request<Bytes>) -> Result<Answer, Refusal> {
    let path = request
        .uri()
        .path()
        .strip_prefix(PREFIX)
        .unwrap_or_default();
    let segments = segments(path)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let body = request.body();
    match (request.method(), segments.as_slice()) {
        (&Method::GET, []) => Ok(help()),
        (&Method::GET, ["state"]) => Ok(pretty(&state(plane))),
        (&Method::GET, ["proposals"]) => Ok(pretty(&proposals(plane))),
        (&Method::POST, ["proposals"]) => add_proposals(plane, body),
        (&Method::POST, ["proposals", "raw"]) => {
            plane.proposals.add_raw(body.clone(), query.get("id"));
            Ok(done())
        }
        (&Method::POST, ["proposals", id, "status", new]) => set_status(plane, id, new),
        (&Method::GET, ["proposals", id, "reports"]) => {
            let reports = plane.reports_for(id).iter().map(report);
            Ok(pretty(&reports.collect()))
        }
        (&Method::POST, ["sources"]) => {
            plane.sources.add(parse::<Source>(body)?);
            Ok(done())
        }
        (&Method::GET, ["journal"]) => Ok(pretty(&journal(plane, &query))),
        (&Method::DELETE, ["journal"]) => {
            plane.journal.clear();
            Ok(done())
        }
        (&Method::GET, ["faults"]) => Ok(pretty(&rules(plane))),
        (&Method::POST, ["faults"]) => add_rule(plane, body),
        (&Method::DELETE, ["faults"]) => {
            plane.rules.clear();
            Ok(done())
        }
        (&Method::DELETE, ["faults", number]) => withdraw(plane, number),
        _ => Err(Refusal::not_found(
            "NOT_FOUND",
            "GET /admin says what there is",
        )),
    }
}

fn segments(path: &str) -> Result<Vec<String>, Refusal> {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let decoded = segments.map(|segment| percent_decode_str(segment).decode_utf8());
    decoded
        .map(|segment| segment.map(String::from))
        .collect::<Result<_, _>>()
        .map_err(|_| Refusal::bad_request("INVALID_PATH", "the path is not UTF-8"))
}

fn help() -> Answer {
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    typed_answer(StatusCode::OK, plain, HELP)
}

fn state(plane: &ControlPlane) -> Value {
    json!({
        "listed": plane.listed_count(),
        "approved": plane.count(Status::Approved),
        "applied": plane.count(Status::Applied),
        "conflict": plane.count(Status::Conflict),
        "failed": plane.count(Status::Failed),
        "requests": plane.journal().len(),
        "rules": rules(plane),
    })
}

fn proposals(plane: &ControlPlane) -> Value {
    let elements = plane.proposals.elements().map(|element| {
        let record = element
            .id
            .as_deref()
            .and_then(|id| plane.proposals.record(id));
        json!({
            "proposal_id": element.id,
            "status": record.map(|record| record.status),
            "reports": record.map(|record| record.report_count),
        })
    });
    elements.collect()
}

fn add_proposals(plane: &mut ControlPlane, body: &Bytes) -> Result<Answer, Refusal> {
    let one_or_many = parse::<&RawValue>(body)?.get();
    let texts = match serde_json::from_str::<Vec<&RawValue>>(one_or_many) {
        Ok(many) => many.into_iter().map(RawValue::get).collect(),
        Err(_) => vec![one_or_many],
    };
    let mut added = Vec::new();
    for text in texts {
        let id = plane.proposals.add(text.to_owned());
        added.push(id.map_err(|reason| unusable(&reason))?);
    }
    Ok(pretty(&json!({"ok": true, "added": added})))
}

fn set_status(plane: &mut ControlPlane, id: &str, new: &str) -> Result<Answer, Refusal> {
    let status = Status::deserialize(&Value::from(new)).map_err(|reason| unusable(&reason))?;
    if plane.proposals.set_status(id, status) {
        return Ok(done());
    }
    Err(Refusal::not_found(
        "PROPOSAL_NOT_FOUND",
        "there is no such proposal",
    ))
}

fn report(report: &Report) -> Value {
    json!({
        "elapsed_ms": milliseconds(report.elapsed),
        "verdict": format!("{:?}", report.verdict),
        "body": String::from_utf8_lossy(&report.body),
    })
}

fn journal(plane: &ControlPlane, query: &Query) -> Value {
    let last = query
        .get("last")
        .and_then(|last| last.parse().ok())
        .unwrap_or(20);
    let entries = plane.journal();
    let latest = entries.iter().skip(entries.len().saturating_sub(last));
    latest.map(entry).collect()
}

fn entry(entry: &Entry) -> Value {
    json!({
        "elapsed_ms": milliseconds(entry.elapsed),
        "connection": entry.connection,
        "request": format!("{} {}", entry.method, entry.path),
        "query": entry.query,
        "key": format!("{:?}", entry.credential),
        "breach": entry.breach.map(|breach| breach.code()),
        "body": String::from_utf8_lossy(&entry.body),
        "status": entry.status,
        "fault": entry.fault.as_ref().map(ToString::to_string),
    })
}

fn rules(plane: &ControlPlane) -> Value {
    let rules = plane.rules.iter().map(|injected| {
        json!({
            "number": injected.id,
            "fault": injected.fault().to_string(),
            "applied": injected.applied,
            "left": injected.left(),
        })
    });
    rules.collect()
}

fn add_rule(plane: &mut ControlPlane, body: &Bytes) -> Result<Answer, Refusal> {
    let rule = parse::<RuleSpec>(body)?
        .into_rule()
        .map_err(|reason| unusable(&reason))?;
    let id = plane.rules.inject(rule);
    Ok(pretty(&json!({"ok": true, "number": id})))
}

fn withdraw(plane: &mut ControlPlane, number: &str) -> Result<Answer, Refusal> {
    let id: RuleId = number
        .parse::<u64>()
        .map_err(|reason| unusable(&reason))?
        .into();
    plane.rules.withdraw(id);
    Ok(done())
}

fn parse<'a, T: Deserialize<'a>>(body: &'a Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|reason| unusable(&reason))
}

fn unusable(reason: &dyn std::fmt::Display) -> Refusal {
    Refusal::unprocessable("UNUSABLE", reason.to_string())
}

fn done() -> Answer {
    pretty(&json!({"ok": true}))
}

fn pretty(value: &Value) -> Answer {
    json_answer(StatusCode::OK, format!("{value:#}\n"))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
