//! The two directions of one connection.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::Result;

use super::{
    Shared, When,
    conversation::{Conversation, HEADER, Said, payload},
    cut,
};

/// Read at once in the direction that is not taken apart.
const CHUNK: usize = 64 * 1024;

/// What the two directions know of each other.
#[derive(Debug)]
pub(super) struct Connection {
    shared: Arc<Shared>,
    id: u64,
    replies_at_most: Option<usize>,
    talk: Mutex<Talk>,
}

#[derive(Debug, Default)]
struct Talk {
    conversation: Conversation,
    /// The server's answer is not passed on.
    swallow: bool,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, id: u64, replies_at_most: Option<usize>) -> Self {
        Self { shared, id, replies_at_most, talk: Mutex::default() }
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins to forward.
pub(super) fn start(connection: Connection, client: TcpStream, server: TcpStream) -> Result<()> {
    let connection = Arc::new(connection);
    let (to_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let answering = connection.clone();
    thread::Builder::new().name("proxy up".to_owned()).spawn(move || {
        say(&connection, &client, &to_server).ok();
        cut(&client, &to_server);
    })?;
    thread::Builder::new().name("proxy down".to_owned()).spawn(move || {
        answer(&answering, &server, &to_client).ok();
        cut(&to_client, &server);
    })?;
    Ok(())
}

/// From client to server, packet by packet, until one side ends it, or it is
/// to be cut.
fn say(connection: &Connection, mut client: &TcpStream, mut server: &TcpStream) -> Result<()> {
    let mut packet = Vec::new();
    loop {
        let mut header = [0; HEADER];
        client.read_exact(&mut header)?;
        packet.resize(HEADER + payload(header), 0);
        let (head, body) = packet.split_at_mut(HEADER);
        head.copy_from_slice(&header);
        client.read_exact(body)?;
        if !connection.shared.may_pass(connection.id) {
            continue;
        }
        let said = connection.talk().conversation.said(header, body);
        if let Said::Commit(statements) = said {
            match connection.shared.commits(&statements) {
                Some(When::BeforeCommit) => return Ok(()),
                Some(When::AfterCommit) => connection.talk().swallow = true,
                None => {}
            }
        }
        server.write_all(&packet)?;
    }
}

/// From server to client.
fn answer(connection: &Connection, mut server: &TcpStream, mut client: &TcpStream) -> Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut answered = 0;
    loop {
        let length = server.read(&mut chunk)?;
        if length == 0 {
            return Ok(());
        }
        if !connection.shared.may_pass(connection.id) {
            continue;
        }
        let mut talk = connection.talk();
        if talk.swallow {
            return Ok(());
        }
        talk.conversation.answered(&chunk[..length]);
        drop(talk);
        let left = connection.replies_at_most.map_or(length, |most| most.saturating_sub(answered));
        client.write_all(&chunk[..length.min(left)])?;
        if left < length {
            connection.shared.state().cuts += 1;
            return Ok(());
        }
        answered += length;
    }
}
