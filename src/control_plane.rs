//! The control plane as this backend sees it: a client that is kept between calls, the key as it is now, and the
//! source that we are. Every call waits off the main thread.

use std::env;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use synapsor_core::api_key::ApiKey;
use synapsor_core::control_plane::{
    Client, ControlPlaneError, ControlPlaneSettings, Courier, Ending, Fate, Fetched, Pages,
    SourceError, SourceResolver,
};
use synapsor_core::listed::Listed;
use synapsor_core::report::Report;
use synapsor_crash_points::Point;

use crate::error::ExtensionError;
use crate::pg::bell::Bell;
use crate::pg::off_thread::{OffThreadError, Running};
use crate::pg::{crash_point, off_thread};

/// The environment variable of the server that holds the key where no file is set.
const KEY_VARIABLE: &str = "SYNAPSOR_API_KEY";

/// What we call ourselves in requests.
const PRODUCT: &str = concat!("synapsor_writeback/", env!("CARGO_PKG_VERSION"));

/// The longest that answers lie unread while somebody waits for them.
const LOOK_UP: Duration = Duration::from_millis(100);

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

/// Who sends reports, and the bell that rings when it is time to look for answers.
pub struct Dispatch {
    courier: Courier,
    bell: Bell,
    client: Client,
    key: ApiKey,
}

/// The list of approved proposals, a page at a time. While one is worked off, the next one is fetched.
pub struct List {
    source_id: String,
    next: Option<Running<Fetching>>,
}

/// A page that was fetched, and the pages after it.
type Fetching = (Pages, Option<Result<Vec<Listed>, ControlPlaneError>>);

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
        let ours = self.settings.our_source("postgres");
        let ours = ours.ok_or(ExtensionError::SourceNotConfigured)?;
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
        List::beginning_with(pages)
    }

    /// Who sends reports: the one that has done so before, where there is one, and has learned how many may be in flight.
    pub fn dispatch(&self) -> Result<Dispatch, ExtensionError> {
        let before = kept().as_mut().and_then(|kept| kept.dispatch.take());
        let is_ours = |it: &Dispatch| it.client.is(&self.client) && it.key == self.key;
        if let Some(dispatch) = before.filter(is_ours) {
            return Ok(dispatch);
        }
        let (bell, rope) = Bell::hang().map_err(|_| OffThreadError::NoThread)?;
        let ceiling = self.settings.report_concurrency;
        Ok(Dispatch {
            courier: Courier::start(&self.client, &self.key, ceiling, move || rope.ring()),
            bell,
            client: self.client.clone(),
            key: self.key.clone(),
        })
    }
}

impl List {
    fn beginning_with(pages: Pages) -> Result<Self, ExtensionError> {
        Ok(List {
            source_id: pages.source_id.clone(),
            next: Some(fetch_next(pages)?),
        })
    }

    /// Our source's id.
    pub fn source_id(&self) -> &str {
        &self.source_id
    }

    /// The next page; `None` after the last one.
    pub fn next_page(&mut self) -> Result<Option<Vec<Listed>>, ExtensionError> {
        let Some(next) = self.next.take() else {
            return Ok(None);
        };
        let (pages, page) = next.wait()?;
        if let Some(Ok(_)) = page {
            self.next = Some(fetch_next(pages)?);
        }
        page.transpose().map_err(ExtensionError::ControlPlane)
    }
}

fn fetch_next(mut pages: Pages) -> Result<Running<Fetching>, OffThreadError> {
    off_thread::start(move |_| {
        let page = pages.next();
        (pages, page)
    })
}

impl Dispatch {
    /// Hands reports over to be sent; returns the first one's number, which the others follow.
    pub fn hand_over(&mut self, reports: Vec<Report>) -> usize {
        self.courier.hand_over(reports).start
    }

    /// How many have been handed over of which nothing is known yet.
    pub fn outstanding(&self) -> usize {
        self.courier.outstanding()
    }

    /// Why nothing is sent any more.
    pub fn ending(&self) -> Option<Ending> {
        self.courier.ending()
    }

    /// What became of one more report, and its number; `None` where nothing more is known for now.
    pub fn next(&mut self) -> Option<(usize, Fate)> {
        self.courier.next(Duration::ZERO)
    }

    /// Waits until it is time to look again. A cancel or a shutdown ends the wait.
    pub fn wait(&mut self) {
        self.bell.wait(LOOK_UP);
    }

    /// Keeps it for the next time.
    pub fn keep(mut self) {
        self.courier.begin_anew();
        if let Some(kept) = kept().as_mut() {
            kept.dispatch = Some(self);
        }
    }
}

fn api_key(settings: &ControlPlaneSettings) -> Result<ApiKey, ExtensionError> {
    if let Some(path) = &settings.api_key_file {
        // SAFETY: has no precondition.
        let server = unsafe { libc::geteuid() };
        return ApiKey::read_file(Path::new(path), server).map_err(ExtensionError::ApiKey);
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
