//! The promises of the scheduler, held against random histories.
