//! Compiles the definitions with a compiler written in Rust, so that no
//! `protoc` is needed, and leaves the descriptor set for reflection.

use std::{env, error::Error, path::PathBuf};

use prost::Message;

const DEFINITIONS: [&str; 8] = [
    "cofi/v1/access.proto",
    "cofi/v1/batch.proto",
    "cofi/v1/call.proto",
    "cofi/v1/check.proto",
    "cofi/v1/enrolment.proto",
    "cofi/v1/explain.proto",
    "cofi/v1/fleet.proto",
    "cofi/agent/v1/agent.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=definitions");
    let descriptors = protox::compile(DEFINITIONS, ["definitions"])?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().bytes(".cofi.agent.v1").compile_fds(descriptors)?;
    Ok(())
}
