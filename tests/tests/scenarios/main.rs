//! End to end: the built programs as real processes on loopback, ended by the
//! one audit.

mod controller_killed;
mod lid_stopped;
mod normal_flow;
