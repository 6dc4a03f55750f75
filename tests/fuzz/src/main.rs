//! The mutating driver: libFuzzer on the target that `COFI_FUZZ_TARGET` names.
//! One program for all of them, since linking it takes longer than a short run.

#![no_main]

use std::sync::OnceLock;

use cofi_fuzz::{Check, target};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    static CHOSEN: OnceLock<Check> = OnceLock::new();
    let check = CHOSEN.get_or_init(|| {
        let name = std::env::var("COFI_FUZZ_TARGET").unwrap_or_default();
        target(&name).expect("COFI_FUZZ_TARGET names no target")
    });
    check(input);
});
