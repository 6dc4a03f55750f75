//! Who gets in, over the wire: a whole controller, and everybody who might come
//! to it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod attacks;
mod auditing;
mod hostile;
mod house;
mod joining;
mod matrix;
mod revoking;
