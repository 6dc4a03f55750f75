//! The promises of the scheduler, held against random histories of a small
//! world.

mod steps;
mod world;

use proptest::prelude::*;
use steps::{Step, step};
use world::{BATCH, MIB, Outcome, World};

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(600)))]

    #[test]
    fn every_recording_is_delivered_once_within_windows_and_ends_in_one_state(
        sizes in prop::collection::vec(prop_oneof![0..200_000_u64, Just(40 * MIB), Just(100 * MIB)], 1..120),
        weights in [1..400_u32, 1..400_u32, 1..400_u32],
        // If not, it is found when the rows are looked at.
        opened in any::<bool>(),
        steps in prop::collection::vec(step(), 1..250),
    ) {
        let mut world = World::new(&sizes, weights);
        if opened {
            world.tell(Event::BatchOpened(BATCH));
        }
        for step in steps {
            world.step(step);
        }
        world.come_to_rest();
        prop_assert_eq!(world.scheduler.backlog.waiting(), 0);
        for agent in &world.agents {
            prop_assert_eq!(world.scheduler.deliveries(&agent.name), 0, "{} keeps deliveries", agent.name);
        }
    }
}

#[test]
fn agents_known_before_a_restart_are_waited_for_but_not_for_ever() {
    let name: AgentName = "before".parse().unwrap();
    let other: AgentName = "other".parse().unwrap();
    let mut scheduler = Scheduler::new(2, [name.clone()], Duration::ZERO);
    let recording = World::new(&[10], [100; 3]).ledger.into_values().next().unwrap().0;
    let condition = Condition { free_disk: 1 << 30, lid_waiting: 0, engine: None, disk: None };
    let mut tell = |event, seconds| scheduler.handle(event, Duration::from_secs(seconds));
    tell(Event::BatchOpened(BATCH), 0);
    tell(Event::Loaded { batch: BATCH, after: -1, recordings: vec![recording] }, 0);
    tell(Event::AgentJoined { agent: other.clone(), weight: 100, condition }, 1);
    tell(Event::Reconciled(other.clone()), 1);
    assert!(tell(Event::LaneOpened { agent: other, lane: LaneId(1) }, 1).is_empty());
    assert!(tell(Event::Tick, 19).is_empty());
    assert!(matches!(tell(Event::Tick, 20)[..], [Action::Send { .. }]));
}

#[test]
fn weight_decides_how_much_is_under_way() {
    let mut world = World::new(&vec![MIB; 400], [100, 300, 100]);
    world.tell(Event::BatchOpened(BATCH));
    for agent in 0..2 {
        world.join(agent);
        world.open_lane(agent);
    }
    for _ in 0..30 {
        world.load();
    }
    let under_way = |agent: usize| world.agents[agent].under_way.len();
    assert_eq!((under_way(0), under_way(1)), (64, 192));
}

#[test]
fn one_that_refuses_all_it_gets_does_not_fail_what_another_takes_in_its_turn() {
    let mut world = World::new(&[10; 700], [100; 3]);
    world.tell(Event::BatchOpened(BATCH));
    for agent in 0..2 {
        world.join(agent);
        world.open_lane(agent);
    }
    for _ in 0..900 {
        world.step(Step::Load);
        // It is always quicker than the other one.
        while !world.agents[0].under_way.is_empty() {
            world.step(Step::Refuse(0, 0, RefusalCode::Integrity));
        }
        world.step(Step::Store(1, 0));
        world.step(Step::Commit(1));
        world.step(Step::Advance(100));
    }
    assert!(world.ledger.values().all(|(_, outcome)| *outcome == Outcome::Stored));
}
