//! Starts a private server, prints its superuser's URL, and stops it when its standard input ends:
//! `cargo run -p synapsor-mysql-testbed --bin private-server mysql`

use std::io;
use std::process::ExitCode;

use synapsor_mysql_testbed::{Flavor, Server};

fn main() -> ExitCode {
    let flavor = match std::env::args().nth(1).as_deref() {
        Some("mariadb") => Flavor::MariaDb,
        Some("mysql") => Flavor::MySql,
        _ => {
            eprintln!("usage: private-server mariadb|mysql");
            return ExitCode::from(2);
        }
    };
    let server = Server::start(flavor);
    println!("{}", server.socket_url("root", "", "mysql"));
    let mut line = String::new();
    while io::stdin().read_line(&mut line).is_ok_and(|read| read > 0) {}
    ExitCode::SUCCESS
}
