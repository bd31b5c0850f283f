//! One client's connection through the proxy: two threads, one for each direction.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::packet::{Command, PREPARED_ANSWER, Packet, prepared_number};
use crate::proxy::{Control, Deed, Trap};

/// A client's connection and the server's that belongs to it.
pub(crate) struct Link {
    client: TcpStream,
    server: TcpStream,
    statements: Mutex<Statements>,
    /// What is done when the server's next answer has come.
    at_answer: Mutex<Option<Deed>>,
}

/// The prepared statements of a connection.
#[derive(Default)]
struct Statements {
    /// The one whose number is not known yet.
    asked: Option<String>,
    prepared: HashMap<u32, String>,
}

impl Link {
    pub(crate) fn new(client: TcpStream, server: TcpStream) -> io::Result<Self> {
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        Ok(Link {
            client,
            server,
            statements: Mutex::default(),
            at_answer: Mutex::default(),
        })
    }

    /// Ends both connections; one that has ended already is fine.
    pub(crate) fn cut(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    fn statements(&self) -> MutexGuard<'_, Statements> {
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn at_answer(&self) -> MutexGuard<'_, Option<Deed>> {
        self.at_answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The text of the statement that a command runs.
    fn statement(&self, command: Command) -> Option<String> {
        match command {
            Command::Query(text) => Some(text),
            Command::Execute(number) => self.statements().prepared.get(&number).cloned(),
            Command::Prepare(text) => {
                self.statements().asked = Some(text);
                None
            }
            Command::StartTls | Command::Other => None,
        }
    }

    fn forward_commands(&self, control: &Control) -> io::Result<()> {
        loop {
            let packet = Packet::read(&self.client)?;
            control.wait_while_frozen();
            if packet.is_answered() {
                control.count_round_trip();
            }
            let command = packet.command();
            let starts_tls = command == Command::StartTls;
            let statement = self.statement(command);
            match statement.and_then(|text| control.trap_at(&text)) {
                Some(Trap::Before(Deed::Cut)) => {
                    control.count_cut();
                    return Ok(());
                }
                Some(Trap::Before(Deed::Freeze)) => control.hold(),
                Some(Trap::After(deed)) => *self.at_answer() = Some(deed),
                None => {}
            }
            (&self.server).write_all(packet.bytes())?;
            if starts_tls {
                return self.forward_unread(control);
            }
        }
    }

    /// What is encrypted.
    fn forward_unread(&self, control: &Control) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        loop {
            let length = (&self.client).read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            control.wait_while_frozen();
            (&self.server).write_all(&buffer[..length])?;
        }
    }

    fn forward_answers(&self, control: &Control) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        loop {
            let mut length = (&self.server).read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            control.wait_while_frozen();
            let deed = self.at_answer().take();
            match deed {
                Some(Deed::Cut) => {
                    control.count_cut();
                    return Ok(());
                }
                Some(Deed::Freeze) => control.hold(),
                None => {}
            }
            let asked = self.statements().asked.take();
            if let Some(text) = asked {
                let rest = length..PREPARED_ANSWER.max(length);
                (&self.server).read_exact(&mut buffer[rest.clone()])?;
                length = rest.end;
                let number = prepared_number(&buffer).map(|number| (number, text));
                self.statements().prepared.extend(number);
            }
            (&self.client).write_all(&buffer[..length])?;
        }
    }
}

/// Forwards in both directions until one of them ends, then ends the other.
pub(crate) fn forward(link: &Arc<Link>, control: &Arc<Control>) {
    for direction in [Link::forward_commands, Link::forward_answers] {
        let (link, control) = (Arc::clone(link), Arc::clone(control));
        thread::spawn(move || {
            // An error is a connection that ended in the middle of something.
            let _ = direction(&link, &control);
            link.cut();
        });
    }
}
