//! A server whose name look-ups hang.

use std::process::Command;

use synapsor_testbed::{Cluster, ClusterOptions, Shutdown};

/// A library that makes the server's look-up of one name take a minute.
const SLOW_RESOLVER: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result) {
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        dlsym(RTLD_NEXT, "getaddrinfo");
    if (node && strcmp(node, "hung.example") == 0)
        sleep(60);
    return real(node, service, hints, result);
}
"#;

/// A server for which `hung.example` takes a minute to look up.
pub fn cluster_with_a_slow_resolver(options: ClusterOptions) -> Cluster {
    let mut cluster = Cluster::start(options);
    let source = cluster.file("resolver.c", SLOW_RESOLVER, 0o644);
    let library = cluster.socket_directory().join("resolver.so");
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-o"]).arg(&library);
    assert!(compile.arg(source).arg("-ldl").status().unwrap().success());
    cluster.set_variable("LD_PRELOAD", library.to_str().unwrap());
    cluster.restart(Shutdown::Fast);
    cluster
}
