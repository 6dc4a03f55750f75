//! Defaults, and what each key accepts.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    time::Duration,
};

/// Where a controller on this host listens for agents.
pub(super) const CONTROLLER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7401);
pub(super) const DATA_DIR: &str = "cofi-agent-data";
pub(super) const MODEL: &str = "models";
pub(super) const LOG: &str = "info";
pub(super) const WEIGHT: u32 = 100;
pub(super) const MAX_WEIGHT: u32 = 10_000;
pub(super) const RECEIVE_CONNECTIONS: u32 = 2;
pub(super) const MAX_RECEIVE_CONNECTIONS: u32 = 16;
/// No disk is larger, and TOML has no numbers for the largest that Rust has.
pub(super) const MAX_DISK_RESERVE_BYTES: u64 = 1 << 50;
pub(super) const MAX_WORKERS: u32 = 256;
pub(super) const MAX_ADDRESS_CHARS: usize = 100;
pub(super) const ENGINE_TIMEOUT: Duration = Duration::from_mins(5);
/// Once may be an accident, and twice bad luck.
pub(super) const ENGINE_ATTEMPTS: NonZeroU32 = NonZeroU32::MIN.saturating_add(2);
pub(super) const MAX_ENGINE_ATTEMPTS: u32 = 20;
/// The excerpts of a recording, the model's intermediate results, and several
/// times as much for decoders.
pub(super) const ENGINE_MEMORY_MIB: u32 = 1_024;
/// A large model on a cold disk, then on a GPU.
pub(super) const ENGINE_START_TIMEOUT: Duration = Duration::from_mins(2);
/// Long enough to put back a backup of the controller's database that is a
/// week old without identifying anything twice.
pub(super) const RESULT_RETENTION: Duration = Duration::from_hours(7 * 24);
pub(super) const DRAIN_GRACE: Duration = Duration::from_secs(30);
