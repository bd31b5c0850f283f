//! Where the API key may come from, and that it shows itself nowhere.

#![allow(clippy::unwrap_used)]

use std::ffi::CString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use synapsor_core::api_key::{ApiKey, ApiKeyError, MAX_KEY_BYTES};
use tempfile::TempDir;

const KEY: &str = "syn_live_PLANTED.0123-abc";

/// A folder with a key file in it.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        Files {
            folder: TempDir::new().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn with(&self, content: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.path("key");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    /// Who the files belong to: whoever runs the tests.
    fn owner(&self) -> u32 {
        self.folder.path().metadata().unwrap().uid()
    }

    fn code(&self, path: &Path) -> &'static str {
        ApiKey::read_file(path, self.owner()).unwrap_err().code()
    }
}

#[test]
fn white_space_around_the_key_is_no_part_of_it() {
    let key = ApiKey::parse(KEY).unwrap();
    for text in [format!("{KEY}\n"), format!(" \t{KEY}\r\n\n")] {
        assert_eq!(ApiKey::parse(&text).unwrap(), key);
    }
    assert_ne!(ApiKey::parse("syn_other").unwrap(), key);
}

#[test]
fn what_can_t_be_a_key_is_refused() {
    let code = |text: &str| ApiKey::parse(text).unwrap_err().code();
    for text in ["", " ", "\n\t\r\n"] {
        assert_eq!(code(text), "API_KEY_EMPTY");
    }
    for text in [
        "two words",
        "a\nb",
        "a\u{0}b",
        "clé",
        "\u{feff}key",
        "a\u{7f}",
    ] {
        assert_eq!(code(text), "API_KEY_MALFORMED", "{text:?}");
    }
    assert!(ApiKey::parse(&"x".repeat(MAX_KEY_BYTES)).is_ok());
    assert_eq!(code(&"x".repeat(MAX_KEY_BYTES + 1)), "API_KEY_TOO_LONG");
}

#[test]
fn a_file_that_only_the_server_can_read_is_read() {
    let files = Files::new();
    for mode in [0o600, 0o400, 0o700] {
        let path = files.with(format!("{KEY}\n"), mode);
        assert_eq!(
            ApiKey::read_file(&path, files.owner()).unwrap(),
            ApiKey::parse(KEY).unwrap()
        );
    }
}

#[test]
fn a_file_that_others_have_rights_on_is_refused() {
    let files = Files::new();
    for mode in [0o604, 0o602, 0o601, 0o640, 0o620, 0o610, 0o644, 0o777] {
        assert_eq!(
            files.code(&files.with(KEY, mode)),
            "API_KEY_FILE_EXPOSED",
            "{mode:o}"
        );
    }
}

#[test]
fn a_link_to_a_good_file_is_followed() {
    let files = Files::new();
    let link = files.path("link");
    std::os::unix::fs::symlink(files.with(KEY, 0o600), &link).unwrap();
    assert!(ApiKey::read_file(&link, files.owner()).is_ok());
    std::os::unix::fs::symlink(files.path("nowhere"), files.path("broken")).unwrap();
    assert_eq!(files.code(&files.path("broken")), "API_KEY_FILE_MISSING");
}

#[test]
fn somebody_else_s_file_is_refused() {
    let files = Files::new();
    let path = files.with(KEY, 0o600);
    if files.owner() == 0 {
        chown(&path, Some(4322), None).unwrap();
    }
    let error = ApiKey::read_file(&path, 4321).unwrap_err();
    assert_eq!(error.code(), "API_KEY_FILE_OWNER");
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let files = Files::new();
    let began = Instant::now();
    assert_eq!(files.code(&files.path("missing")), "API_KEY_FILE_MISSING");
    assert_eq!(
        files.code(&files.with(KEY, 0o600).join("x")),
        "API_KEY_FILE_MISSING"
    );
    assert_eq!(files.code(Path::new("")), "API_KEY_FILE_MISSING");
    assert_eq!(files.code(files.folder.path()), "API_KEY_FILE_NOT_REGULAR");
    assert_eq!(
        files.code(Path::new("/dev/null")),
        "API_KEY_FILE_NOT_REGULAR"
    );
    let _socket = UnixListener::bind(files.path("socket")).unwrap();
    assert_eq!(
        files.code(&files.path("socket")),
        "API_KEY_FILE_NOT_REGULAR"
    );
    let pipe = CString::new(files.path("pipe").as_os_str().as_bytes()).unwrap();
    // SAFETY: the path is a C string that outlives the call.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    assert_eq!(files.code(&files.path("pipe")), "API_KEY_FILE_NOT_REGULAR");
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[test]
fn an_unreadable_file_is_told_from_a_missing_one() {
    let files = Files::new();
    // A link to itself: nobody can open it, not even root.
    let path = files.path("loop");
    std::os::unix::fs::symlink(&path, &path).unwrap();
    assert_eq!(files.code(&path), "API_KEY_FILE_UNREADABLE");
}

#[test]
fn a_file_that_holds_something_else_is_refused() {
    let files = Files::new();
    assert_eq!(files.code(&files.with("", 0o600)), "API_KEY_EMPTY");
    assert_eq!(
        files.code(&files.with(b"\xff\xfe", 0o600)),
        "API_KEY_MALFORMED"
    );
    assert_eq!(
        files.code(&files.with(format!("{KEY}\n{KEY}\n"), 0o600)),
        "API_KEY_MALFORMED"
    );
    assert_eq!(
        files.code(&files.with("x".repeat(5000), 0o600)),
        "API_KEY_TOO_LONG"
    );
    assert_eq!(
        files.code(&files.with("x".repeat(1_000_000), 0o600)),
        "API_KEY_FILE_TOO_LARGE"
    );
}

#[test]
fn neither_the_key_nor_its_errors_show_it() {
    let files = Files::new();
    let key = ApiKey::read_file(&files.with(KEY, 0o600), files.owner()).unwrap();
    assert_eq!(format!("{key:?}"), "ApiKey([redacted])");
    let errors: Vec<ApiKeyError> = [
        ApiKey::parse(&format!("{KEY} {KEY}")),
        ApiKey::parse(&KEY.repeat(1000)),
        ApiKey::read_file(&files.with(KEY, 0o644), files.owner()),
        ApiKey::read_file(&files.with(KEY.repeat(1000), 0o600), files.owner()),
    ]
    .into_iter()
    .map(Result::unwrap_err)
    .collect();
    for error in errors {
        assert!(!format!("{error} {error:?}").contains("PLANTED"), "{error}");
        assert!(
            error
                .to_string()
                .starts_with(&format!("{}: ", error.code()))
        );
    }
}

#[test]
fn the_key_is_struck_out_of_a_text_wherever_it_stands() {
    let key = ApiKey::parse("k3y").unwrap();
    let text = key.struck_out_of("k3y, and Bearer k3yk3y.");
    assert_eq!(text, "[redacted], and Bearer [redacted][redacted].");
}
