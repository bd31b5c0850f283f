//! What `make package` packs: the right files of the right owner, and a server that has them, and nothing else of ours, can
//! `CREATE EXTENSION`. Here the package is made from the library that the tests installed.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use synapsor_testbed::major_version;
use synapsor_testbed::nursery::{data_directory, empty_home};
use synapsor_testbed::process::{as_server_user, run};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A directory of the installation that is tested, as pg_config names it.
fn installed(what: &str) -> PathBuf {
    let pg_config = env::var_os("SYNAPSOR_PG_CONFIG").unwrap();
    run(Command::new(pg_config).arg(what)).into()
}

fn extensions() -> PathBuf {
    installed("--sharedir").join("extension")
}

/// The package, made once.
static PACKAGE: LazyLock<PathBuf> = LazyLock::new(|| package("once"));

/// Makes the package in a directory of this name, and says where it is.
fn package(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&target);
    let mut script = Command::new(root().join("scripts/make-deb.sh"));
    script.arg(major_version().to_string());
    script
        .arg(installed("--pkglibdir"))
        .arg(extensions())
        .arg(&target);
    run(&mut script);
    let files = fs::read_dir(&target)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut debs = files.filter(|path| path.extension() == Some(OsStr::new("deb")));
    debs.next().unwrap()
}

fn dpkg_deb(what: &str, package: &Path) -> String {
    run(Command::new("dpkg-deb").arg(what).arg(package))
}

/// The files of a project's directory, below a directory of the package.
fn all_of(directory: &str, place: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(directory)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.map(|name| format!("{place}/{name}")).collect()
}

#[test]
fn the_package_has_what_a_server_needs_and_its_documents_owned_by_root_and_writable_by_nobody_else()
{
    let listed = dpkg_deb("--contents", &PACKAGE);
    let major = major_version();
    let extension = format!("./usr/share/postgresql/{major}/extension");
    let docs = format!("./usr/share/doc/postgresql-{major}-synapsor-writeback");
    let mut expected = vec![
        format!("./usr/lib/postgresql/{major}/lib/synapsor_writeback.so"),
        format!("{extension}/synapsor_writeback.control"),
        format!("{extension}/synapsor_writeback--{VERSION}.sql"),
    ];
    let updates = all_of("sql", &extension);
    expected.extend(
        updates
            .into_iter()
            .filter(|name| name.contains("/synapsor_writeback--")),
    );
    expected.extend(
        ["README.md", "SECURITY.md", "changelog.gz", "copyright"]
            .map(|name| format!("{docs}/{name}")),
    );
    expected.extend(all_of("docs", &format!("{docs}/docs")));
    expected.extend(all_of("monitoring", &format!("{docs}/monitoring")));
    let mut found = BTreeSet::new();
    for line in listed.lines() {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (mode, owner, path) = (fields[0], fields[1], fields[5]);
        assert_eq!(owner, "root/root", "{line}");
        if path.ends_with('/') {
            assert_eq!(mode, "drwxr-xr-x", "{line}");
        } else {
            assert_eq!(mode, "-rw-r--r--", "{line}");
            found.insert(path.to_owned());
        }
    }
    assert_eq!(found, expected.into_iter().collect());
}

#[test]
fn the_package_says_what_it_is_and_what_it_needs() {
    let package = &*PACKAGE;
    let major = major_version();
    let field = |name: &str| {
        run(Command::new("dpkg-deb")
            .arg("--field")
            .arg(package)
            .arg(name))
    };
    assert_eq!(
        field("Package"),
        format!("postgresql-{major}-synapsor-writeback")
    );
    assert_eq!(field("Version"), format!("{VERSION}-1"));
    let depends = field("Depends");
    assert!(
        depends.starts_with(&format!("postgresql-{major}, libc6 (>= 2.")),
        "{depends}"
    );
}

#[test]
fn the_same_checkout_gives_the_same_package() {
    assert!(fs::read(&*PACKAGE).unwrap() == fs::read(package("again")).unwrap());
}

const CREATE: &str = "CREATE EXTENSION synapsor_writeback";

/// A server's tree of its own, in the places that they have to each other, without anything of ours.
struct PrivateServer {
    home: PathBuf,
    prefix: PathBuf,
}

impl PrivateServer {
    fn new() -> Self {
        let directories = ["--bindir", "--pkglibdir", "--sharedir"].map(installed);
        let is_above = |prefix: &&Path| directories.iter().all(|d| d.starts_with(prefix));
        let prefix = directories[0].ancestors().find(is_above).unwrap();
        let server = PrivateServer {
            home: empty_home(),
            prefix: prefix.to_owned(),
        };
        for directory in &directories {
            let place = server.place(directory);
            run(as_server_user(Path::new("mkdir")).arg("-p").arg(&place));
            let mut copy = as_server_user(Path::new("cp"));
            run(copy.arg("-R").arg(directory.join(".")).arg(&place));
        }
        let mut remove = Command::new("find");
        remove.arg(server.home.join("tree"));
        run(remove.args(["-name", "synapsor_writeback*", "-delete"]));
        let mut initdb = server.program("initdb");
        initdb.args(["--no-sync", "--encoding=UTF8", "--locale=C"]);
        initdb.arg("--username=postgres").arg("--pgdata");
        run(initdb.arg(data_directory(&server.home)));
        server
    }

    /// Where a directory of the installation is here.
    fn place(&self, directory: &Path) -> PathBuf {
        self.home
            .join("tree")
            .join(directory.strip_prefix(&self.prefix).unwrap())
    }

    /// Unpacks the package; where the library is, and where the control file.
    fn unpacked(&self) -> (PathBuf, PathBuf) {
        let place = self.home.join("unpacked");
        let mut extract = Command::new("dpkg-deb");
        run(extract.arg("--extract").arg(&*PACKAGE).arg(&place));
        let major = major_version();
        let shared = format!("usr/share/postgresql/{major}/extension");
        let libraries = format!("usr/lib/postgresql/{major}/lib");
        (place.join(libraries), place.join(shared))
    }

    fn program(&self, name: &str) -> Command {
        as_server_user(&self.place(&installed("--bindir")).join(name))
    }

    /// What a lone backend prints for a line of SQL.
    fn ask(&self, sql: &str) -> String {
        let mut backend = self.program("postgres");
        backend
            .arg("--single")
            .arg("-D")
            .arg(data_directory(&self.home))
            .arg("postgres");
        backend
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut backend = backend.spawn().unwrap();
        let mut input = backend.stdin.take().unwrap();
        writeln!(input, "{sql}").unwrap();
        drop(input);
        let output = backend.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Lays what the package unpacks to over the tree.
    fn unpack(&self) {
        let (libraries, shared) = self.unpacked();
        for (from, to) in [
            (libraries, installed("--pkglibdir")),
            (shared, extensions()),
        ] {
            let mut copy = Command::new("cp");
            run(copy.arg("-R").arg(from.join(".")).arg(self.place(&to)));
        }
    }

    fn assert_works(&self) {
        let with = self.ask(CREATE);
        assert!(!with.contains("ERROR"), "{with}");
        let version =
            self.ask("SELECT extversion FROM pg_extension WHERE extname = 'synapsor_writeback'");
        let expected = format!("extversion = \"{VERSION}\"");
        assert!(version.contains(&expected), "{version}");
        // The library's code, not just its name.
        let built = self.ask("SELECT synapsor_build('{}')");
        assert!(built.contains("WRITEBACK_TABLE_REQUIRED"), "{built}");
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.home);
    }
}

#[test]
fn a_server_with_the_package_unpacked_over_it_can_create_the_extension_and_none_without() {
    let server = PrivateServer::new();
    let without = server.ask(CREATE);
    assert!(without.contains("ERROR"), "{without}");
    server.unpack();
    server.assert_works();
}

/// From 18 on, a server can be told to look elsewhere, and its own directories stay as they are.
#[test]
fn a_server_that_looks_elsewhere_needs_nothing_in_its_own_directories() {
    let server = PrivateServer::new();
    if major_version() < 18 {
        assert!(server.ask("SHOW extension_control_path").contains("ERROR"));
        return;
    }
    let (libraries, shared) = server.unpacked();
    let place = server.home.join("elsewhere");
    run(Command::new("cp")
        .arg("-R")
        .arg(shared.parent().unwrap())
        .arg(&place));
    run(Command::new("cp")
        .arg(libraries.join("synapsor_writeback.so"))
        .arg(&place));
    let settings = format!(
        "extension_control_path = '$system:{0}'\ndynamic_library_path = '$libdir:{0}'\n",
        place.display()
    );
    let file = data_directory(&server.home).join("postgresql.conf");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(file, before + &settings).unwrap();
    server.assert_works();
}

#[test]
fn the_metadata_for_pgxn_is_complete_and_of_this_version() {
    let text = fs::read_to_string(root().join("META.json")).unwrap();
    let meta: Value = serde_json::from_str(&text).unwrap();
    for field in ["name", "abstract", "maintainer"] {
        assert!(
            meta[field].as_str().is_some_and(|text| !text.is_empty()),
            "{field}"
        );
    }
    assert_eq!(meta["meta-spec"]["version"], "1.0.0");
    assert!(
        meta["license"]
            .as_object()
            .is_some_and(|licenses| licenses.len() == 2)
    );
    let provided = &meta["provides"]["synapsor_writeback"];
    for file in ["file", "docfile"] {
        assert!(
            root().join(provided[file].as_str().unwrap()).is_file(),
            "{file}"
        );
    }
    let control = fs::read_to_string(extensions().join("synapsor_writeback.control")).unwrap();
    let default = control
        .lines()
        .find_map(|line| line.strip_prefix("default_version = "));
    for version in [
        meta["version"].as_str(),
        provided["version"].as_str(),
        default.map(|v| v.trim_matches('\'')),
    ] {
        assert_eq!(version, Some(VERSION));
    }
}
