//! Keeping secrets out of what is printed: a server may send back what it was sent.

use std::env;
use std::path::Path;

use synapsor_core::control_plane::ControlPlaneSettings;
pub use synapsor_core::texts::rewrite;

use crate::settings::API_KEY;
use crate::settings::secret::SecretText;

/// What stands in a secret's place.
pub const STRUCK_OUT: &str = "[redacted]";

/// Knows the API key.
pub struct KeyHider(Option<SecretText>);

impl KeyHider {
    /// Looks where the key is; it has been read by then, so that it is known to be there.
    pub fn open(settings: &ControlPlaneSettings) -> Self {
        KeyHider(match &settings.api_key_file {
            Some(path) => SecretText::read_file(Path::new(path)).ok(),
            None => env::var(API_KEY).ok().map(|key| SecretText::new(&key)),
        })
    }

    /// A text without the key.
    pub fn clean(&self, text: &str) -> String {
        match &self.0 {
            Some(key) => text.replace(key.expose(), STRUCK_OUT),
            None => text.to_owned(),
        }
    }
}
