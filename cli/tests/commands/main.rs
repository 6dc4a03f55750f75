//! The built `cofi` against a scripted controller.

mod access;
mod batches;
mod checking;
mod earlier;
mod explaining;
mod failures;
mod fake;
mod home;
mod listings;
mod program;
mod releasing;
mod samples;
mod trust;
mod watching;
