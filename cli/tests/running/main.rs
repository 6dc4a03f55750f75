//! `cofi run`, with everything real but the engine, which looks answers up in
//! the names of the recordings.

mod bench;
mod refused;
mod whole;
