//! As much of the protocol between client and server as the proxy has to understand.
//!
//! A packet is three bytes of length, one of sequence, and the payload. A command begins a sequence anew; its payload's
//! first byte says which one it is.

use std::io::{self, Read};

const HEADER: usize = 4;
const QUERY: u8 = 0x03;
const PREPARE: u8 = 0x16;
const EXECUTE: u8 = 0x17;
/// Of a value in pieces, the closing of a statement, and the end of the session.
const UNANSWERED: [u8; 3] = [0x18, 0x19, 0x01];
const CLIENT_SSL: u32 = 0x800;

/// The bytes of an answer that say which number a prepared statement got: a header, a zero, the number.
pub(crate) const PREPARED_ANSWER: usize = HEADER + 5;

/// A packet from a client.
pub(crate) struct Packet {
    bytes: Vec<u8>,
}

/// What the proxy has to know of a packet from a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// A statement's text, to be run.
    Query(String),
    /// A statement's text, to be run later, by the number in the answer.
    Prepare(String),
    /// The number of a prepared statement, to be run.
    Execute(u32),
    /// From here on the client speaks TLS.
    StartTls,
    /// Anything else.
    Other,
}

impl Packet {
    /// Reads one packet.
    pub(crate) fn read(mut from: impl Read) -> io::Result<Self> {
        let mut bytes = vec![0; HEADER];
        from.read_exact(&mut bytes)?;
        let length = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]);
        let length = u64::from(length);
        let read = from.take(length).read_to_end(&mut bytes)?;
        if u64::try_from(read).is_ok_and(|read| read == length) {
            Ok(Packet { bytes })
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// All of it, with its header.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// True for a command that the server answers.
    pub(crate) fn is_answered(&self) -> bool {
        let sequence = self.bytes[HEADER - 1];
        let command = self.bytes.get(HEADER);
        sequence == 0 && command.is_some_and(|command| !UNANSWERED.contains(command))
    }

    pub(crate) fn command(&self) -> Command {
        let sequence = self.bytes[HEADER - 1];
        let payload = &self.bytes[HEADER..];
        match (sequence, payload) {
            (0, [QUERY, text @ ..]) => Command::Query(statement(text)),
            (0, [PREPARE, text @ ..]) => Command::Prepare(statement(text)),
            (0, [EXECUTE, a, b, c, d, ..]) => {
                Command::Execute(u32::from_le_bytes([*a, *b, *c, *d]))
            }
            // The client's first packet, without user and password, which follow by TLS.
            (1, [a, b, c, d, ..])
                if payload.len() == 32
                    && u32::from_le_bytes([*a, *b, *c, *d]) & CLIENT_SSL != 0 =>
            {
                Command::StartTls
            }
            _ => Command::Other,
        }
    }
}

/// The number of the statement that an answer says is prepared.
pub(crate) fn prepared_number(answer: &[u8]) -> Option<u32> {
    match answer.get(HEADER..PREPARED_ANSWER)? {
        [0, a, b, c, d] => Some(u32::from_le_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

/// A client that can send attributes with a query begins it with their number, none, and a one.
fn statement(text: &[u8]) -> String {
    let text = text.strip_prefix(&[0, 1]).unwrap_or(text);
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u8, payload: &[u8]) -> Packet {
        let length = u8::try_from(payload.len()).expect("a short payload");
        let bytes = [&[length, 0, 0, sequence], payload].concat();
        Packet::read(bytes.as_slice()).expect("a whole packet")
    }

    #[test]
    fn a_statement_is_read_with_and_without_attributes() {
        let commit = Command::Query("COMMIT".to_owned());
        assert_eq!(packet(0, b"\x03COMMIT").command(), commit);
        assert_eq!(packet(0, b"\x03\0\x01COMMIT").command(), commit);
    }

    #[test]
    fn what_belongs_to_an_earlier_command_is_none() {
        assert_eq!(packet(1, b"\x03COMMIT").command(), Command::Other);
    }

    #[test]
    fn a_prepared_statement_is_known_by_its_number() {
        let prepare = packet(0, b"\x16SELECT 1").command();
        assert_eq!(prepare, Command::Prepare("SELECT 1".to_owned()));
        assert_eq!(
            prepared_number(b"\x0c\0\0\x01\0\x07\x01\0\0\0\0"),
            Some(263)
        );
        let execute = packet(0, b"\x17\x07\x01\0\0\0\x01\0\0\0").command();
        assert_eq!(execute, Command::Execute(263));
        assert_eq!(
            prepared_number(b"\x09\0\0\x01\xff\x28\x04#42000"),
            None,
            "an error"
        );
    }

    #[test]
    fn a_command_is_a_round_trip_where_it_is_answered() {
        let is_answered = |sequence, payload| packet(sequence, payload).is_answered();
        assert!(is_answered(0, b"\x03COMMIT"));
        assert!(
            !is_answered(0, b"\x19\x01\0\0\0"),
            "the closing of a statement"
        );
        assert!(
            !is_answered(1, b"\x03COMMIT"),
            "what belongs to an earlier one"
        );
        assert!(!is_answered(0, b""));
    }

    #[test]
    fn a_packet_that_ends_early_is_an_error() {
        assert!(Packet::read(b"\x05\0\0\0\x03CO".as_slice()).is_err());
    }
}
