//! A process that cleans up after us when we can't: statics are never dropped, and a killed process drops nothing.

use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::process::as_server_user;

static GUARDIAN: Mutex<Option<Child>> = Mutex::new(None);

/// Has the servers below `directory` stopped and the directory removed when this process ends.
pub(crate) fn watch_over(directory: &Path) {
    let guardian = as_server_user(Path::new("/bin/sh"))
        .args(["-c", include_str!("guardian.sh"), "guardian"])
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell can be started");
    *GUARDIAN.lock().unwrap_or_else(PoisonError::into_inner) = Some(guardian);
    // SAFETY: the function is a plain one and never unwinds.
    unsafe { libc::atexit(dismiss) };
}

/// On an orderly exit, waits until the guardian is done, so that whoever waits for us finds nothing left.
extern "C" fn dismiss() {
    let guardian = GUARDIAN
        .lock()
        .ok()
        .and_then(|mut guardian| guardian.take());
    if let Some(mut guardian) = guardian {
        drop(guardian.stdin.take());
        let _ = guardian.wait();
    }
}
