//! The key and its file.

use simulated_control_plane::{Endpoint, Fault, Options, Rule};

use super::Ward;
use crate::stage::SHARED;

impl Ward {
    /// Has the key read from a new file with this content.
    fn key_file(&self, content: &str, mode: u32) -> String {
        let name = format!("doctor_key_{}", self.0.database.name());
        let file = SHARED.file(&name, content, mode).display().to_string();
        self.set("api_key_file", &file);
        file
    }
}

#[test]
fn no_key_is_named_and_the_hint_says_how_to_bring_one() {
    let ward = Ward::open();
    ward.set("api_key_file", "");
    let hint = ward.diagnosed("key file", "API_KEY_MISSING");
    assert!(hint.starts_with("$ install -o "), "{hint}");
    let database = ward.0.database.name();
    let set = format!("ALTER DATABASE {database} SET synapsor.api_key_file = '");
    assert!(hint.contains(&set), "{hint}");
    ward.run(&hint);
    ward.is_well("key file");
    ward.is_well("authentication");
}

#[test]
fn a_key_file_that_is_not_there_is_named_and_written_by_the_hint() {
    let ward = Ward::open();
    let place = SHARED.socket_directory().join("doctor's key");
    ward.set("api_key_file", &place.display().to_string());
    ward.healed("key file", "API_KEY_FILE_MISSING");
    ward.is_well("authentication");
}

#[test]
fn a_wrong_key_is_named_and_replaced_by_the_hint() {
    let ward = Ward::open();
    let file = ward.key_file("syn_wrong", 0o600);
    let hint = ward.healed("authentication", "UNAUTHORIZED");
    assert!(
        hint.starts_with("$ install -o ") && hint.contains(&file),
        "{hint}"
    );
    ward.is_well("source");
}

#[test]
fn a_key_without_the_right_is_told_from_a_wrong_one() {
    let ward = Ward::open();
    let forbidden = Rule::on(Endpoint::List, Fault::status(403));
    ward.0.simulator.inject(forbidden);
    ward.diagnosed("authentication", "FORBIDDEN");
}

#[test]
fn a_key_file_that_all_can_read_is_named_and_closed_by_the_hint() {
    let ward = Ward::open();
    let file = ward.key_file(&Options::default().api_key, 0o644);
    let hint = ward.healed("key file", "API_KEY_FILE_EXPOSED");
    assert_eq!(hint, format!("$ chmod 0600 '{file}'"));
    ward.is_well("authentication");
}

#[test]
fn a_key_in_the_data_directory_is_named_also_behind_a_link_and_moved_by_the_hint() {
    let ward = Ward::open();
    let data: String = ward.0.database.value("SHOW data_directory");
    let key = Options::default().api_key;
    let name = format!("key_in_{}", ward.0.database.name());
    // The file's owner is the servers' user.
    let file = SHARED.file(&name, &key, 0o600);
    super::shell(&format!("mv '{}' '{data}/{name}'", file.display()));
    super::shell(&format!("ln -s '{data}/{name}' '{}'", file.display()));
    ward.set("api_key_file", &file.display().to_string());
    super::shell(&format!("test -L '{}'", file.display()));
    let hint = ward.diagnosed("key place", "the key lies in the data directory");
    super::shell(&format!("rm '{}'", file.display()));
    ward.run(&hint);
    ward.is_well("key place");
    ward.is_well("authentication");
}
