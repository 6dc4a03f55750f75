//! As much of MySQL's client protocol as it takes to know which statements a
//! transaction has had, and when it is committed
//! (<https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>).

use std::collections::HashMap;

/// Length of the payload (3 bytes, little-endian), sequence number.
pub(super) const HEADER: usize = 4;

const QUERY: u8 = 0x03;
const PREPARE: u8 = 0x16;
const EXECUTE: u8 = 0x17;
const OK: u8 = 0x00;

/// What a client says with a packet, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// A COMMIT of a transaction that may write, with these statements.
    Commit(Vec<String>),
    /// Anything else.
    Else,
}

/// A connection's conversation so far. Client and server take turns.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// Names of prepared statements.
    prepared: HashMap<u32, String>,
    /// Name of the statement that is being prepared.
    preparing: Option<String>,
    /// Of the transaction that is open.
    statements: Vec<String>,
    /// Whether that one only reads: its COMMIT decides nothing.
    only_reads: bool,
}

/// Length of the payload that follows a header.
pub(super) fn payload(header: [u8; HEADER]) -> usize {
    let [low, middle, high, _] = header;
    usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16
}

impl Conversation {
    /// Takes note of a client's packet.
    pub(super) fn said(&mut self, header: [u8; HEADER], payload: &[u8]) -> Said {
        // A command begins a sequence; what continues one is part of the login.
        let (0, Some((&command, rest))) = (header[HEADER - 1], payload.split_first()) else {
            return Said::Else;
        };
        match command {
            QUERY => return self.queried(&String::from_utf8_lossy(rest)),
            PREPARE => self.preparing = Some(name(&String::from_utf8_lossy(rest))),
            EXECUTE => {
                let known = id(rest).and_then(|id| self.prepared.get(&id));
                self.statements.extend(known.cloned());
            }
            _ => {}
        }
        Said::Else
    }

    fn queried(&mut self, text: &str) -> Said {
        if text == "COMMIT" {
            let statements = std::mem::take(&mut self.statements);
            return if self.only_reads { Said::Else } else { Said::Commit(statements) };
        }
        if ["BEGIN", "START TRANSACTION", "ROLLBACK"].iter().any(|begin| text.starts_with(begin)) {
            self.statements.clear();
            self.only_reads = text.ends_with("READ ONLY");
        } else {
            self.statements.push(name(text));
        }
        Said::Else
    }

    /// Takes note of a server's first bytes after a client's packet.
    pub(super) fn answered(&mut self, bytes: &[u8]) {
        let Some(name) = self.preparing.take() else { return };
        if let Some((&OK, rest)) = bytes.get(HEADER..).and_then(<[u8]>::split_first)
            && let Some(id) = id(rest)
        {
            self.prepared.insert(id, name);
        }
    }
}

fn id(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().copied().map(u32::from_le_bytes)
}

/// Of a statement that begins with a comment: `/* name */ ...`.
fn name(text: &str) -> String {
    let comment = text.strip_prefix("/* ").and_then(|text| text.split_once(" */"));
    comment.map_or("", |(name, _)| name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(conversation: &mut Conversation, command: u8, rest: &[u8]) -> Said {
        conversation.said([0, 0, 0, 0], &[&[command], rest].concat())
    }

    fn prepare(conversation: &mut Conversation, text: &str, id: u32) {
        say(conversation, PREPARE, text.as_bytes());
        conversation.answered(&[&[12, 0, 0, 1, OK][..], &id.to_le_bytes(), &[0; 8]].concat());
    }

    #[test]
    fn a_commit_knows_the_statements_of_its_own_transaction() {
        let mut talk = Conversation::default();
        prepare(&mut talk, "/* one */ UPDATE a SET b = ?", 7);
        prepare(&mut talk, "/* other */ UPDATE a SET c = ?", 8);
        say(&mut talk, EXECUTE, &[8, 0, 0, 0, 0]);
        say(&mut talk, QUERY, b"BEGIN");
        say(&mut talk, EXECUTE, &[7, 0, 0, 0, 0]);
        say(&mut talk, EXECUTE, &[9, 0, 0, 0, 0]);
        assert_eq!(say(&mut talk, QUERY, b"COMMIT"), Said::Commit(vec!["one".to_owned()]));
        assert_eq!(say(&mut talk, QUERY, b"COMMIT"), Said::Commit(Vec::new()));
    }

    #[test]
    fn a_commit_of_what_only_reads_is_none() {
        let mut talk = Conversation::default();
        say(&mut talk, QUERY, b"START TRANSACTION READ ONLY");
        assert_eq!(say(&mut talk, QUERY, b"COMMIT"), Said::Else);
    }

    #[test]
    fn a_login_is_no_command_and_a_refused_statement_is_not_prepared() {
        let mut talk = Conversation::default();
        assert_eq!(talk.said([6, 0, 0, 1], b"\x03COMMIT"), Said::Else);
        say(&mut talk, PREPARE, b"/* bad */ SELECT");
        talk.answered(&[9, 0, 0, 1, 0xff, 1, 0, 0, 0]);
        say(&mut talk, EXECUTE, &[1, 0, 0, 0, 0]);
        assert_eq!(say(&mut talk, QUERY, b"COMMIT"), Said::Commit(Vec::new()));
    }

    #[test]
    fn lengths_are_little_endian() {
        assert_eq!(payload([1, 2, 3, 9]), 1 + 2 * 256 + 3 * 65_536);
    }
}
