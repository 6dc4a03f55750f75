//! Tokens and the audit, for people.

use jiff::Timestamp;

use super::{
    rows::{NOTHING, Row, or_nothing},
    table::{Column, words},
};
use crate::view::{AuditEntry, CreatedToken, RevokedAgent, Token, TokenKind};

impl Row for Token {
    const LISTING: &'static str = "tokens";
    const COLUMNS: &'static [Column] = &[
        words("TOKEN"),
        words("KIND"),
        words("STATE"),
        words("FOR"),
        words("CREATED"),
        words("EXPIRES"),
        words("USED"),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.token_id.clone(),
            self.kind.words().to_owned(),
            self.state.words().to_owned(),
            or_nothing(self.agent.as_ref().or(self.note.as_ref())),
            moment(self.created_time),
            self.expires_time.map_or("never".to_owned(), moment),
            self.used_time.map_or(NOTHING.to_owned(), moment),
        ]
    }
}

impl Row for AuditEntry {
    const LISTING: &'static str = "entries";
    const COLUMNS: &'static [Column] = &[
        words("TIME"),
        words("ACTOR"),
        words("FROM"),
        words("ACTION"),
        words("TARGET"),
        words("OUTCOME"),
        words("DETAIL"),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            moment(self.at_time),
            self.actor.clone(),
            or_nothing(self.peer.as_ref()),
            self.action.clone(),
            or_nothing(self.target.as_ref()),
            outcome(self),
            or_nothing(self.detail.as_ref()),
        ]
    }
}

fn outcome(entry: &AuditEntry) -> String {
    match (entry.denied, entry.count) {
        (false, _) => "done".to_owned(),
        (true, 0 | 1) => "denied".to_owned(),
        (true, count) => format!("denied {count} times"),
    }
}

/// What a token is, in a sentence that names everything but the secret, and
/// where it goes.
pub(super) fn created(created: &CreatedToken) -> String {
    let CreatedToken { token, secret_file, .. } = created;
    let whom = match (&token.agent, &token.note) {
        (Some(whom), _) | (None, Some(whom)) => format!(" for {whom}"),
        (None, None) => String::new(),
    };
    let until = token
        .expires_time
        .map_or("good until it is revoked".to_owned(), |time| format!("good until {}", moment(time)));
    let file = secret_file.as_ref().map_or(String::new(), |path| format!(", in {}", path.display()));
    format!("{} token {}{whom}, {until}{file}", token.kind.words(), token.token_id)
}

/// What to do with a token that was just made.
pub(super) fn use_of(created: &CreatedToken) -> String {
    let file = created.secret_file.as_ref().map_or("FILE".to_owned(), |path| path.display().to_string());
    match created.token.kind {
        TokenKind::Join => format!(
            "on that machine, with the token in a file that only its agent's user can read: \
             cofi-agent join --controller HOST:PORT --token-file {file}"
        ),
        TokenKind::Viewer | TokenKind::Operator => format!("its bearer uses it with --token-file {file}"),
    }
}

/// What became of an agent's certificates.
pub(super) fn revoked_agent(name: &str, revoked: RevokedAgent) -> String {
    match revoked.revoked_certificates {
        0 => format!("agent {name} had no certificate that was good"),
        1 => format!("1 certificate of agent {name} revoked"),
        count => format!("{count} certificates of agent {name} revoked"),
    }
}

fn moment(time: Timestamp) -> String {
    format!("{time:.0}")
}
