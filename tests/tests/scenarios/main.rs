//! End to end: the built programs as real processes on loopback, ended by the
//! one audit.

mod access;
mod agent_disk;
mod agent_killed;
mod agents;
mod bad_disks;
mod bad_requests;
mod bad_sources;
mod certificates;
mod check;
mod checkers;
mod clock_jumps;
mod commit_unknown;
mod controller_killed;
mod crash_points;
mod damaged_audio;
mod database_away;
mod database_killed;
mod earlier_batches;
mod faults;
mod first_run;
mod flush_order;
mod foreign_writer;
mod grpcurl;
mod hostile_audio;
mod lid_stopped;
mod lost_hosts;
mod normal_flow;
mod outage;
mod quarantine;
mod releases;
mod secrets;
mod silence;
mod source_changes;
mod time_zones;
mod tortured;
