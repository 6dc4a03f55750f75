//! Where sources are read: on threads, since reading blocks. The simulation
//! has readers of its own, which run beside everything else in one thread.

use std::{fmt::Debug, future::Future, io, pin::Pin, thread};

use tokio::runtime::Handle;

/// Something that reads.
pub type Reading = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs what reads sources.
pub trait Readers: Debug + Send + Sync {
    /// Runs what reads for as long as a lane is open.
    fn last(&self, name: String, reading: Reading) -> io::Result<()>;
    /// Runs what reads one recording.
    fn once(&self, reading: Reading);
}

/// Readers that have threads of their own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Threads;

impl Readers for Threads {
    fn last(&self, name: String, reading: Reading) -> io::Result<()> {
        let runtime = Handle::current();
        thread::Builder::new().name(name).spawn(move || runtime.block_on(reading)).map(drop)
    }

    fn once(&self, reading: Reading) {
        let runtime = Handle::current();
        drop(tokio::task::spawn_blocking(move || runtime.block_on(reading)));
    }
}
