//! The control plane as this backend sees it: a client that is kept between calls, the key as it is now, and the
//! source that we are. Every call waits off the main thread.

mod dispatch;
mod list;

use std::env;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;
use synapsor_core::api_key::ApiKey;
use synapsor_core::control_plane::{
    Client, ControlPlaneSettings, Fetched, OurSource, SourceError, SourceResolver,
};
use synapsor_core::json::Json;
use synapsor_core::texts::rewrite;
use synapsor_crash_points::Point;

use crate::error::ExtensionError;
use crate::pg::off_thread::{self, OffThreadError};
use crate::pg::{crash_point, process};

pub use dispatch::Dispatch;
pub use list::List;

/// The environment variable of the server that holds the key where no file is set.
const KEY_VARIABLE: &str = "SYNAPSOR_API_KEY";

/// What we call ourselves in requests.
const PRODUCT: &str = concat!("synapsor_writeback/", env!("CARGO_PKG_VERSION"));

/// What this backend keeps from one call to the next.
static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

/// A client, the configuration that it was made from, the names of sources that were looked up with it, and who sends
/// reports with it.
struct Kept {
    made: Made,
    client: Client,
    sources: SourceResolver,
    dispatch: Option<Dispatch>,
}

/// What a client depends on.
#[derive(Clone, PartialEq, Eq)]
struct Made {
    settings: ControlPlaneSettings,
    ca_pem: Option<Vec<u8>>,
}

/// The control plane, ready to be called.
#[derive(Clone)]
pub struct ControlPlane {
    client: Client,
    key: ApiKey,
    settings: ControlPlaneSettings,
}

impl ControlPlane {
    /// Reads the key and makes, or takes up again, the client. Nothing is sent.
    pub fn open(settings: &ControlPlaneSettings) -> Result<Self, ExtensionError> {
        let key = api_key(settings)?;
        let read =
            |path: &String| fs::read(path).map_err(|error| ExtensionError::CaFile(error.kind()));
        let ca_pem = settings.ca_file.as_ref().map(read).transpose()?;
        let made = Made {
            settings: settings.clone(),
            ca_pem,
        };
        let client = client(made)?;
        Ok(ControlPlane {
            client,
            key,
            settings: settings.clone(),
        })
    }

    /// The approved proposals of our source, at most `max_proposals`, and the source's id.
    pub fn fetch(&self, max_proposals: usize) -> Result<Fetched, ExtensionError> {
        let mut list = self.list(max_proposals, max_proposals)?;
        let source_id = list.source_id().to_owned();
        let mut proposals = Vec::new();
        while let Some(page) = list.next_page()? {
            proposals.extend(page);
        }
        Ok(Fetched {
            source_id,
            proposals,
        })
    }

    /// The same, a page at a time, with at most `page_size` in each. The first page is fetched at once.
    pub fn list(&self, max_proposals: usize, page_size: usize) -> Result<List, ExtensionError> {
        let ours = self.our_source()?;
        let this = self.clone();
        let mut names = kept()
            .as_ref()
            .map(|kept| kept.sources.clone())
            .unwrap_or_default();
        crash_point::reach(Point::BeforeFetch);
        let (pages, sources) = off_thread::run(move |_| {
            let (client, key) = (&this.client, &this.key);
            let pages = client.approved_pages(key, &ours, &mut names, max_proposals, page_size);
            (pages, names)
        })?;
        if let Some(kept) = kept().as_mut() {
            kept.sources = sources;
        }
        crash_point::reach(Point::AfterFetch);
        let pages = pages.map_err(|error| match error {
            SourceError::ControlPlane(error) => ExtensionError::ControlPlane(error),
            other => ExtensionError::Source(other),
        })?;
        Ok(List::beginning_with(pages))
    }

    /// Asks something else, off the main thread, and gives up after the time that two calls may take: some of what can be asked is
    /// a list of many pages.
    pub fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Client, &ApiKey) -> T + Send + 'static,
    ) -> Result<T, ExtensionError> {
        let this = self.clone();
        let deadline = Instant::now() + 2 * self.settings.request_timeout;
        let answer = off_thread::run_until(Some(deadline), move |_| work(&this.client, &this.key));
        answer.map_err(|error| match error {
            OffThreadError::TooLong => ExtensionError::AnswersTooSlow,
            other => other.into(),
        })
    }

    /// What a server sent, as a value that can be shown: without the key, should it have come back, and without what jsonb can't
    /// hold; `None` when it is nested too deeply.
    pub fn shown(&self, answer: &Json) -> Option<Value> {
        let mut value = serde_json::from_str(answer.text()).ok()?;
        rewrite(&mut value, &|text| self.text_shown(text));
        Some(value)
    }

    /// As [`ControlPlane::shown`], for a text.
    pub fn text_shown(&self, text: &str) -> String {
        self.key.struck_out_of(text).replace('\0', "\u{fffd}")
    }

    /// The source that we are.
    pub fn our_source(&self) -> Result<OurSource, ExtensionError> {
        let ours = self.settings.our_source("postgres");
        ours.ok_or(ExtensionError::SourceNotConfigured)
    }
}

fn api_key(settings: &ControlPlaneSettings) -> Result<ApiKey, ExtensionError> {
    if let Some(path) = &settings.api_key_file {
        return ApiKey::read_file(Path::new(path), process::own_uid())
            .map_err(ExtensionError::ApiKey);
    }
    let text = env::var(KEY_VARIABLE).map_err(|_| ExtensionError::ApiKeyMissing)?;
    ApiKey::parse(&text).map_err(ExtensionError::ApiKey)
}

/// The kept client, when it was made from the same configuration, else a new one. Its threads are started from a
/// helper thread, so that none of them takes Postgres's signals.
fn client(made: Made) -> Result<Client, ExtensionError> {
    if let Some(kept) = kept().as_ref().filter(|kept| kept.made == made) {
        return Ok(kept.client.clone());
    }
    let config = made.settings.config(made.ca_pem.clone(), PRODUCT);
    let config = config.map_err(ExtensionError::BaseUrl)?;
    let client = off_thread::run(move |_| Client::new(&config))?.map_err(ExtensionError::Client)?;
    *kept() = Some(Kept {
        made,
        client: client.clone(),
        sources: SourceResolver::default(),
        dispatch: None,
    });
    Ok(client)
}

fn kept() -> MutexGuard<'static, Option<Kept>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}
