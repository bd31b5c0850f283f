//! The control plane as this program sees it: a client, the key as it is now, and the source that we are.

use std::cell::RefCell;
use std::env;
use std::fs;
use std::path::Path;

use synapsor_core::api_key::ApiKey;
use synapsor_core::control_plane::{
    Acceptance, Client, ControlPlaneError, ControlPlaneSettings, Courier, Fetched, SourceResolver,
};
use synapsor_core::report::Report;
use synapsor_crash_points::Point;

use crate::error::Error;
use crate::settings::API_KEY;
use crate::settings::secret::own_uid;
use crate::stop::Stop;

/// What we call ourselves in requests.
const PRODUCT: &str = concat!("synapsor-writeback-mysql/", env!("CARGO_PKG_VERSION"));

/// The kind of source that we serve.
pub const KIND: &str = "mysql";

/// The control plane, ready to be called.
pub struct ControlPlane {
    client: Client,
    key: ApiKey,
    settings: ControlPlaneSettings,
    names: SourceResolver,
    /// Who sends reports, and has learned how many may be in flight.
    courier: RefCell<Courier>,
}

impl ControlPlane {
    /// Reads the key and makes a client. Nothing is sent.
    ///
    /// # Errors
    /// Those of key, base URL and certificate authority.
    pub fn open(settings: &ControlPlaneSettings) -> Result<Self, Error> {
        let key = api_key(settings)?;
        let read = |path: &String| fs::read(path).map_err(|error| Error::CaFile(error.kind()));
        let ca_pem = settings.ca_file.as_ref().map(read).transpose()?;
        let client = Client::new(&settings.config(ca_pem, PRODUCT)?)?;
        Ok(ControlPlane {
            courier: RefCell::new(courier(&client, &key, settings)),
            client,
            key,
            settings: settings.clone(),
            names: SourceResolver::default(),
        })
    }

    /// Reads the key again: it may have been replaced.
    pub fn refresh_key(&mut self) -> Result<(), Error> {
        let key = api_key(&self.settings)?;
        if key != self.key {
            *self.courier.get_mut() = courier(&self.client, &key, &self.settings);
            self.key = key;
        }
        Ok(())
    }

    /// The client, for calls about sources.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The key.
    pub fn key(&self) -> &ApiKey {
        &self.key
    }

    /// Source names that were looked up.
    pub fn names(&mut self) -> (&Client, &ApiKey, &mut SourceResolver) {
        (&self.client, &self.key, &mut self.names)
    }

    /// The approved proposals of our source, at most `max_proposals`, and the source's id.
    ///
    /// # Errors
    /// `SOURCE_NOT_CONFIGURED`, and those of the calls.
    pub fn fetch(&mut self, max_proposals: usize) -> Result<Fetched, Error> {
        let ours = self.settings.our_source(KIND);
        let ours = ours.ok_or(Error::SourceNotConfigured)?;
        // No session of the database has a part in it that could raise an error.
        let _ = synapsor_crash_points::reach(Point::BeforeFetch);
        let fetched = self
            .client
            .fetch_approved(&self.key, &ours, &mut self.names, max_proposals);
        let _ = synapsor_crash_points::reach(Point::AfterFetch);
        Ok(fetched?)
    }

    /// Sends reports, many at a time, and returns the answers that came, each with its report's index. Reports without an answer were not
    /// sent.
    pub fn deliver(
        &self,
        reports: &[Report],
        stop: &Stop,
    ) -> Vec<(usize, Result<Acceptance, ControlPlaneError>)> {
        let mut answers = Vec::new();
        let mut courier = self.courier.borrow_mut();
        courier.deliver(reports.to_vec(), stop.flag(), |n, answer| {
            answers.push((n, answer));
        });
        answers
    }
}

fn courier(client: &Client, key: &ApiKey, settings: &ControlPlaneSettings) -> Courier {
    Courier::start(client, key, settings.report_concurrency, || ())
}

fn api_key(settings: &ControlPlaneSettings) -> Result<ApiKey, Error> {
    if let Some(path) = &settings.api_key_file {
        return Ok(ApiKey::read_file(Path::new(path), own_uid())?);
    }
    let text = env::var(API_KEY).ok().filter(|text| !text.is_empty());
    let text = text.ok_or(Error::ApiKeyMissing)?;
    Ok(ApiKey::parse(&text)?)
}
