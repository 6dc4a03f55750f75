//! An attack on a controller that an agent and an operator work with.

use std::{iter::repeat_with, time::Duration};

use futures_util::future::join_all;
use tokio::time::sleep;

use super::{
    frames::{Attacker, Raw},
    program::{Measure, Program, Working},
};

/// What an attack may take of the controller's memory.
const ROOM_KIB: u64 = 96 * 1024;

/// Those who attack, with a call that they may make: nobody, somebody who may
/// look, and a machine that has joined.
pub(super) async fn attackers(program: &Program) -> [Attacker; 3] {
    let nobody = Attacker {
        name: "nobody",
        address: program.control,
        tls: program.operator_tls(),
        token: None,
        path: "/grpc.health.v1.Health/Check",
    };
    let viewer = Attacker {
        name: "viewer",
        token: Some(program.viewer().await),
        path: "/cofi.v1.FleetService/ListAgents",
        ..nobody.clone()
    };
    let agent = Attacker {
        name: "agent",
        address: program.agents,
        tls: program.agent_tls("gpu-99").await,
        token: None,
        path: "/cofi.agent.v1.IdentityService/GetTrust",
    };
    [nobody, viewer, agent]
}

pub(super) struct Scene {
    pub(super) program: Program,
    agent: Working,
    before: Measure,
}

impl Scene {
    pub(super) async fn set() -> (Self, [Attacker; 3]) {
        Self::of(Program::start().await).await
    }

    /// For an attack that takes all that a machine has.
    pub(super) async fn set_alone() -> (Self, [Attacker; 3]) {
        Self::of(Program::start_alone(&[], None).await).await
    }

    pub(super) async fn of(program: Program) -> (Self, [Attacker; 3]) {
        let attackers = attackers(&program).await;
        let agent = Working::begin(&program, "gpu-01").await;
        let before = program.measure();
        (Self { program, agent, before }, attackers)
    }

    /// Has an attack made, and an operator come meanwhile. Gives what the
    /// attackers say of it.
    pub(super) async fn attack<T>(
        &mut self,
        what: &str,
        attacks: impl IntoIterator<Item = impl Future<Output = T>>,
    ) -> Vec<T> {
        let (program, before) = (&self.program, self.before);
        let during = async {
            let mut slowest = Duration::ZERO;
            for _ in 0..3 {
                sleep(Duration::from_millis(200)).await;
                slowest = slowest.max(program.answers().await);
            }
            self.agent.goes_on().await;
            let during = program.measure();
            let grown = during.kib.saturating_sub(before.kib);
            eprintln!("{what}: an operator was answered in {slowest:?}, {grown} KiB more, {during:?}");
            assert!(grown < ROOM_KIB, "{what}: {before:?}, {during:?}");
        };
        tokio::join!(join_all(attacks), during).0
    }

    /// It is all over, and as before.
    pub(super) async fn ends(mut self) {
        self.agent.goes_on().await;
        self.program.recovers(self.before).await;
    }
}

/// Connections of an attacker that have made a call already.
pub(super) async fn admitted(attacker: &Attacker, count: usize) -> Vec<Raw> {
    let raws = repeat_with(async || {
        let raw = Raw::open(attacker, &[]).await;
        raw.ask(1, attacker, b"").await;
        raw.sees(|seen| seen.answers() > 0).await;
        raw
    });
    join_all(raws.take(count)).await
}
