//! A rule as JSON, for the admin surface.

use std::time::Duration;

use hyper::header::{HeaderValue, RETRY_AFTER};
use serde::Deserialize;
use serde::de::value::{Error as NameError, StrDeserializer};

use crate::endpoint::Endpoint;
use crate::fault::{Delivery, Fault, Quirk};
use crate::rule::Rule;

/// A rule as a person writes it; an unknown key is refused, so that a typing error is told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleSpec {
    on: String,
    proposal_id: Option<String>,
    #[serde(default)]
    skip: u64,
    times: Option<u64>,
    fault: Option<Kind>,
    #[serde(default)]
    latency_ms: u64,
    status: Option<u16>,
    body: Option<String>,
    location: Option<String>,
    retry_after: Option<String>,
    retry_after_ms: Option<u64>,
    retryable: Option<bool>,
    retryable_header: Option<bool>,
    #[serde(default = "default_interval")]
    interval_ms: u64,
    #[serde(default = "default_length")]
    length: usize,
    #[serde(default)]
    after_the_work: bool,
}

fn default_interval() -> u64 {
    100
}

fn default_length() -> usize {
    100_000_000
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Hang,
    Reset,
    Close,
    AnswerLost,
    HalfBody,
    EndlessBody,
    SlowBody,
    SlowHeaders,
    Html,
    EmptyBody,
    HugeBody,
    NotOk,
    IgnoreFilters,
    IgnorePaging,
    LoopingCursor,
    KeepListed,
}

impl RuleSpec {
    pub(crate) fn into_rule(self) -> Result<Rule, String> {
        let fault = self.fault()?;
        let mut rule = match self.on.as_str() {
            "any" => Rule::on_any(fault),
            "sources" => Rule::on_sources(fault),
            name => Rule::on(endpoint(name)?, fault),
        };
        if let Some(id) = self.proposal_id {
            rule = rule.for_proposal(id);
        }
        if let Some(times) = self.times {
            rule = rule.times(times);
        }
        Ok(rule.skip(self.skip))
    }

    fn fault(&self) -> Result<Fault, String> {
        let mut fault = Fault::latency(Duration::from_millis(self.latency_ms));
        match (self.status, &self.body) {
            (status, Some(body)) => {
                fault = fault.and(Fault::body(checked(status.unwrap_or(200))?, body.clone()));
            }
            (Some(status), None) => fault = fault.and(Fault::status(checked(status)?)),
            (None, None) => {}
        }
        if let Some(kind) = self.fault {
            fault = fault.and(self.of_kind(kind));
        }
        if let Some(location) = &self.location {
            let status = checked(self.status.unwrap_or(307))?;
            fault = fault.and(Fault::redirect(status, header_value(location)?));
        }
        if self.after_the_work {
            fault = fault.after_the_work();
        }
        self.with_hints(fault)
    }

    fn of_kind(&self, kind: Kind) -> Fault {
        let interval = Duration::from_millis(self.interval_ms);
        match kind {
            Kind::Hang => Fault::hang(),
            Kind::Reset => Fault::reset(),
            Kind::Close => Fault::close(),
            Kind::AnswerLost => Fault::answer_lost(),
            Kind::HalfBody => Fault::delivered(Delivery::HalfBody),
            Kind::EndlessBody => Fault::delivered(Delivery::EndlessBody),
            Kind::SlowBody => Fault::delivered(Delivery::SlowBody(interval)),
            Kind::SlowHeaders => Fault::delivered(Delivery::SlowHeaders(interval)),
            Kind::Html => Fault::html(self.status.unwrap_or(502)),
            Kind::EmptyBody => Fault::empty_body(),
            Kind::HugeBody => Fault::huge_body(self.length),
            Kind::NotOk => Fault::not_ok("SIMULATED_FAULT"),
            Kind::IgnoreFilters => Fault::quirk(Quirk::IgnoreFilters),
            Kind::IgnorePaging => Fault::quirk(Quirk::IgnorePaging),
            Kind::LoopingCursor => Fault::quirk(Quirk::LoopingCursor),
            Kind::KeepListed => Fault::quirk(Quirk::KeepListed),
        }
    }

    fn with_hints(&self, mut fault: Fault) -> Result<Fault, String> {
        if let Some(retry_after) = &self.retry_after {
            fault = fault.header(RETRY_AFTER, header_value(retry_after)?);
        }
        if let Some(milliseconds) = self.retry_after_ms {
            fault = fault.retry_after_ms(milliseconds);
        }
        if let Some(retryable) = self.retryable {
            fault = fault.retryable(retryable);
        }
        if let Some(retryable) = self.retryable_header {
            fault = fault.retryable_header(retryable);
        }
        Ok(fault)
    }
}

fn endpoint(name: &str) -> Result<Endpoint, String> {
    let named = StrDeserializer::<NameError>::new(name);
    Endpoint::deserialize(named).map_err(|error| format!("on: {error}, `any` or `sources`"))
}

fn checked(status: u16) -> Result<u16, String> {
    match status {
        200..=999 => Ok(status),
        _ => Err(format!("status {status} is not one from 200 to 999")),
    }
}

fn header_value(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| format!("{text:?} cannot be in a header"))
}
