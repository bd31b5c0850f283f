//! How much TLS it takes to reach a database, with every kind of certificate.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use synapsor_mysql_testbed::{Flavor, Proxy, Server, TlsFiles, shared};

use crate::program::Ended;
use crate::stage::Stage;

on_both! {
    a_good_certificate_is_taken_in_every_mode_and_the_connection_is_encrypted
    a_certificate_of_an_unknown_authority_is_taken_only_where_nothing_is_verified
    a_certificate_for_another_host_is_taken_unless_the_host_is_verified
    a_server_without_tls_is_refused_in_every_mode_but_disabled
    another_host_is_reached_with_a_verified_certificate_by_default
    another_host_is_never_reached_without_tls
}

/// Another host by its address, which leads here all the same.
const FAR: &str = "0.0.0.0";

/// A server whose certificate can be exchanged, for one test at a time.
struct Secured {
    server: Server,
    files: TlsFiles,
}

impl Secured {
    /// The server, with this certificate from now on.
    fn with(flavor: Flavor, certificate: &TlsFiles) -> MutexGuard<'static, Secured> {
        static MARIADB: OnceLock<Mutex<Secured>> = OnceLock::new();
        static MYSQL: OnceLock<Mutex<Secured>> = OnceLock::new();
        let (place, reload) = match flavor {
            Flavor::MariaDb => (&MARIADB, "FLUSH SSL"),
            Flavor::MySql => (&MYSQL, "ALTER INSTANCE RELOAD TLS"),
        };
        let start = || {
            let files = TlsFiles::new();
            let server = Server::start_with(flavor, &files.server_options());
            Mutex::new(Secured { server, files })
        };
        let secured = place.get_or_init(start).lock();
        let secured = secured.unwrap_or_else(PoisonError::into_inner);
        secured.files.replace_with(certificate);
        secured.server.execute(reload);
        secured
    }
}

/// How `status` ends with this host and mode, and this authority trusted.
fn status(stage: &Stage, host: &str, mode: &str, ca: Option<&Path>) -> Ended {
    let url = stage.shop.url(&stage.user, &stage.password);
    let url = url.replace("127.0.0.1", host) + mode;
    let mut command = stage.program(&["status"]);
    command.env("SYNAPSOR_DATABASE_URL", url);
    if let Some(ca) = ca {
        command.arg("--database-ca-file").arg(ca);
    }
    Ended::of(&mut command)
}

/// Which of `required`, `verify-ca` and `verify-identity` lead to the database on this host. The others say why not.
fn modes(stage: &Stage, host: &str, ca: Option<&Path>) -> [bool; 3] {
    ["required", "verify-ca", "verify-identity"].map(|mode| {
        let ended = status(stage, host, &format!("?ssl-mode={mode}"), ca);
        if ended.code != Some(0) {
            assert_refused(&ended);
        }
        ended.code == Some(0)
    })
}

fn assert_refused(ended: &Ended) {
    let error = ended.error();
    assert_eq!(
        (ended.code, &error["error"]),
        (Some(69), &"DATABASE_TLS".into()),
        "{ended:?}"
    );
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("--database-ca-file"), "{ended:?}");
}

fn a_good_certificate_is_taken_in_every_mode_and_the_connection_is_encrypted(flavor: Flavor) {
    let files = TlsFiles::new();
    let secured = Secured::with(flavor, &files);
    let stage = Stage::on(&secured.server);
    stage
        .shop
        .execute(&format!("ALTER USER '{}'@'%' REQUIRE SSL", stage.user));
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(modes(&stage, host, Some(&files.ca)), [true; 3], "{host}");
        let plain = status(&stage, host, "", None);
        assert_eq!(plain.code, Some(77), "not encrypted: {plain:?}");
    }
}

fn a_certificate_of_an_unknown_authority_is_taken_only_where_nothing_is_verified(flavor: Flavor) {
    let secured = Secured::with(flavor, &TlsFiles::new());
    let stage = Stage::on(&secured.server);
    let other = TlsFiles::new();
    for ca in [None, Some(other.ca.as_path())] {
        assert_eq!(
            modes(&stage, "localhost", ca),
            [true, false, false],
            "{ca:?}"
        );
    }
}

fn a_certificate_for_another_host_is_taken_unless_the_host_is_verified(flavor: Flavor) {
    let files = TlsFiles::for_hosts(&["db.elsewhere.test", "127.0.0.2"]);
    let secured = Secured::with(flavor, &files);
    let stage = Stage::on(&secured.server);
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(
            modes(&stage, host, Some(&files.ca)),
            [true, true, false],
            "{host}"
        );
    }
}

/// MySQL itself refuses to take one.
#[test]
fn an_expired_certificate_is_taken_only_where_nothing_is_verified() {
    let files = TlsFiles::expired();
    let secured = Secured::with(Flavor::MariaDb, &files);
    let stage = Stage::on(&secured.server);
    assert_eq!(
        modes(&stage, "localhost", Some(&files.ca)),
        [true, false, false]
    );
}

fn a_server_without_tls_is_refused_in_every_mode_but_disabled(flavor: Flavor) {
    let own = (flavor == Flavor::MySql).then(|| Server::start_with(flavor, &["--tls-version="]));
    let stage = Stage::on(own.as_ref().unwrap_or_else(|| shared(flavor)));
    assert_eq!(modes(&stage, "localhost", None), [false; 3]);
    let refused = status(&stage, "localhost", "?ssl-mode=required", None);
    assert!(
        refused.message().contains("does not speak TLS"),
        "{refused:?}"
    );
    for mode in ["", "?ssl-mode=disabled"] {
        let plain = status(&stage, "localhost", mode, None);
        assert_eq!(plain.code, Some(0), "{plain:?}");
    }
    assert_refused(&status(&stage, FAR, "", None));
}

fn another_host_is_reached_with_a_verified_certificate_by_default(flavor: Flavor) {
    let files = TlsFiles::for_hosts(&[FAR]);
    let secured = Secured::with(flavor, &files);
    let stage = Stage::on(&secured.server);
    stage
        .shop
        .execute(&format!("ALTER USER '{}'@'%' REQUIRE SSL", stage.user));
    let reached = status(&stage, FAR, "", Some(&files.ca));
    assert_eq!(reached.code, Some(0), "{reached:?}");
    assert_refused(&status(&stage, FAR, "", None));
    assert_refused(&status(&stage, FAR, "", Some(&TlsFiles::new().ca)));
    drop(secured);
    let wrong = TlsFiles::new();
    let secured = Secured::with(flavor, &wrong);
    assert_refused(&status(&stage, FAR, "", Some(&wrong.ca)));
    drop(secured);
}

fn another_host_is_never_reached_without_tls(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let proxy = Proxy::start(shared(flavor));
    for host in [FAR, "[::ffff:127.0.0.1]"] {
        let url = proxy
            .url(&stage.user, &stage.password, "x")
            .replace("127.0.0.1", host);
        let mut command = stage.program(&["status"]);
        command.env("SYNAPSOR_DATABASE_URL", url + "?ssl-mode=disabled");
        let ended = Ended::of(&mut command);
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert_eq!(ended.error()["error"], "DATABASE_TLS_REQUIRED");
    }
    assert_eq!(proxy.connections(), 0);
}

#[test]
fn a_certificate_that_mysql_made_for_itself_is_verified_by_its_own_authority_alone() {
    let stage = Stage::new(Flavor::MySql);
    assert_eq!(modes(&stage, "localhost", None), [true, false, false]);
    let data = stage.value("SELECT @@datadir").unwrap();
    let ca = Path::new(&data).join("ca.pem");
    // It names no host.
    assert_eq!(modes(&stage, "localhost", Some(&ca)), [true, true, false]);
}

#[test]
fn a_file_of_authorities_that_can_t_be_used_is_named_as_the_trouble() {
    let stage = Stage::new(Flavor::MySql);
    for (file, words) in [
        ("/nonexistent.pem", "entity not found"),
        ("/", "is a directory"),
        ("/etc/passwd", "no certificate"),
    ] {
        let file = Path::new(file);
        for mode in ["?ssl-mode=verify-ca", "?ssl-mode=verify-identity"] {
            let ended = status(&stage, "localhost", mode, Some(file));
            assert_eq!(ended.code, Some(78), "{ended:?}");
            assert_eq!(ended.error()["error"], "DATABASE_CA_FILE");
            assert!(ended.message().contains(words), "{ended:?}");
        }
    }
}

#[test]
fn another_word_for_the_mode_is_refused() {
    let stage = Stage::new(Flavor::MariaDb);
    for mode in [
        "?ssl-mode=preferred",
        "?ssl-mode=",
        "?sslmode=required",
        "?ssl-mode=verify-ca&ssl-ca=x",
    ] {
        let ended = status(&stage, "localhost", mode, None);
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert_eq!(ended.error()["error"], "DATABASE_URL_INVALID");
    }
}
