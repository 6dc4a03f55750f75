//! End to end: the built programs as real processes on loopback, ended by the
//! one audit.

mod agent_killed;
mod agents;
mod bad_requests;
mod bad_sources;
mod checkers;
mod controller_killed;
mod damaged_audio;
mod database_killed;
mod first_run;
mod grpcurl;
mod lid_stopped;
mod normal_flow;
mod outage;
mod source_changes;
