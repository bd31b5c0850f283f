//! What the extension promises, on real servers: sessions, processes, transactions, and a control plane over HTTP.
//!
//! One program, so that tests share a cluster where they don't need one of their own; each has its own database and its
//! own control plane. `SYNAPSOR_PG_CONFIG` names the server, with the extension installed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod access;
mod applying;
mod background;
mod capturing;
mod client_options;
mod concurrency;
mod configuration;
mod copies;
mod crashes;
mod doctor;
mod documents;
mod explaining;
mod failures_document;
mod hanging;
mod hostile_code;
mod hostile_lists;
mod idling;
mod intervening;
mod kept_plans;
mod life_cycle;
mod look_alikes;
mod mistakes;
mod monitoring;
mod packages;
mod pair;
mod parameters;
mod pg_upgrade;
mod planted;
mod previewing;
mod privileges;
mod procedure;
mod repeated_keys;
mod report_faults;
mod reporting;
mod security_document;
mod slow_resolver;
mod source_calls;
mod stage;
mod standby;
mod synchronous;
mod testbed;
mod transactions;
mod transient;
mod upgrades;
mod values;
mod worker;
mod worker_databases;
mod worker_ddl;
mod worker_idling;
mod worker_outages;
mod worker_pausing;
mod worker_recovery;
mod worker_settings;
mod worker_status;
mod worker_stopping;
mod workers;
