//! Agents that join, renew and are revoked.

use cofi_controller::ledger::{AgentRevoked, LedgerError, Standing, StandingRecord};
use cofi_identity::{Facts, Serial, token::JoinRefused};
use rstest::rstest;
use tokio::task::JoinSet;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture,
    },
    machines::{self, HOUR, Machine, serial},
    scene::{self, NOW},
};

/// Far behind the end of every certificate of the tests.
const LONG_AFTER: i64 = NOW + 31 * 24 * HOUR;

async fn good(db: &Fixture) -> Vec<String> {
    db.column("SELECT serial FROM cofiAgentCertificate WHERE revokedAt IS NULL ORDER BY serial").await
}

fn is_revoked<T: std::fmt::Debug>(answer: &Result<T, LedgerError>) -> bool {
    matches!(answer, Err(LedgerError::CertificateRevoked(_)))
}

#[rstest]
#[tokio::test]
async fn token_lets_one_key_join_and_answers_it_alike_again(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let (machine, other) = (Machine::new("a"), Machine::new("a"));
    let token = machines::record_token(db.ledger(), &machine.agent).await;
    let joined = machine.join(db.ledger(), &token, NOW).await.unwrap();
    assert!(joined.revoked.is_empty());
    for now in [NOW, NOW + 2 * HOUR] {
        assert_eq!(machine.join(db.ledger(), &token, now).await.unwrap(), joined);
    }
    let used = other.join(db.ledger(), &token, NOW).await;
    assert!(matches!(used, Err(LedgerError::Join(JoinRefused::Used { .. }))), "{used:?}");
    let row = db.record("SELECT * FROM cofiAgentCertificate").await;
    assert_eq!(row["serial"], serial(&joined.certificate).to_string());
    assert_eq!([&row["agent"], &row["issuedAt"], &row["revokedAt"]], ["a", &NOW.to_string(), "NULL"]);
    assert_eq!(db.value("SELECT usedAt FROM cofiToken").await, NOW.to_string());
}

#[rstest]
#[tokio::test]
async fn who_may_not_join_is_told_why_and_leaves_nothing(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let (machine, other) = (Machine::new("a"), Machine::new("b"));
    let token = machines::record_token(db.ledger(), &machine.agent).await;
    let unknown = machine.join(db.ledger(), &machines::join_token(), NOW).await;
    assert!(matches!(unknown, Err(LedgerError::Join(JoinRefused::Unknown { .. }))), "{unknown:?}");
    let others = other.join(db.ledger(), &token, NOW).await;
    assert!(matches!(others, Err(LedgerError::Join(JoinRefused::OtherAgent { .. }))), "{others:?}");
    let late = machine.join(db.ledger(), &token, NOW + HOUR).await;
    assert!(matches!(late, Err(LedgerError::Join(JoinRefused::Expired { .. }))), "{late:?}");
    db.ledger().revoke_token(token.id(), NOW).await.unwrap();
    let revoked = machine.join(db.ledger(), &token, NOW).await;
    assert!(matches!(revoked, Err(LedgerError::Join(JoinRefused::Revoked { .. }))), "{revoked:?}");
    assert!(good(&db).await.is_empty());
    assert_eq!(db.value("SELECT usedAt FROM cofiToken").await, "NULL");
}

#[rstest]
#[tokio::test]
async fn joining_anew_revokes_what_the_agent_had(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let (lost, machine, neighbour) = (Machine::new("a"), Machine::new("a"), Machine::new("b"));
    let first_token = machines::record_token(db.ledger(), &lost.agent).await;
    let first = serial(&lost.join(db.ledger(), &first_token, NOW).await.unwrap().certificate);
    let kept = neighbour.joins(db.ledger()).await;
    let token = machines::record_token(db.ledger(), &machine.agent).await;
    let joined = machine.join(db.ledger(), &token, NOW + 1).await.unwrap();
    assert_eq!(joined.revoked, [first]);
    // The controller hears of it also when the answer comes late.
    assert_eq!(machine.join(db.ledger(), &token, NOW + 2).await.unwrap(), joined);
    assert_eq!(db.ledger().revoked_serials(NOW).await.unwrap(), [first]);
    let mut expected = [kept, serial(&joined.certificate)].map(|serial| serial.to_string());
    expected.sort();
    assert_eq!(good(&db).await, expected);
    // What the first token got is of no use any more.
    assert!(is_revoked(&lost.join(db.ledger(), &first_token, NOW + 2).await));
}

#[rstest]
#[tokio::test]
async fn agent_renews_with_a_new_key_and_is_answered_alike_again(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let (machine, renewed) = (Machine::new("a"), Machine::new("a"));
    let first = machine.joins(db.ledger()).await;
    let certificate = renewed.renew(db.ledger(), first, NOW + 1).await.unwrap();
    assert_ne!(serial(&certificate), first);
    for shown in [first, serial(&certificate)] {
        assert_eq!(renewed.renew(db.ledger(), shown, NOW + 2).await.unwrap(), certificate);
    }
    assert_eq!(good(&db).await.len(), 2, "the old one is good until the new one is installed");
    // Of another agent's key nothing is given away.
    let stranger = Machine::new("b");
    let shown = stranger.joins(db.ledger()).await;
    let issued = renewed.issue(NOW).unwrap();
    let given = db.ledger().renew(&stranger.agent, shown, renewed.key(), NOW, || Ok(issued.clone())).await;
    assert_eq!(given.unwrap(), issued.der.to_vec());
    // Of what was issued after the backup from which the database comes, it
    // knows nothing.
    db.execute(&format!("DELETE FROM cofiAgentCertificate WHERE serial = '{shown}'")).await;
    assert!(stranger.renew(db.ledger(), shown, NOW).await.is_ok());
}

#[rstest]
#[tokio::test]
async fn revoked_agent_neither_renews_nor_gets_its_certificate_again(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let machine = Machine::new("a");
    let token = machines::record_token(db.ledger(), &machine.agent).await;
    let first = serial(&machine.join(db.ledger(), &token, NOW).await.unwrap().certificate);
    let renewed = serial(&Machine::new("a").renew(db.ledger(), first, NOW).await.unwrap());
    let mut serials = vec![first, renewed];
    serials.sort_by_key(Serial::to_string);
    // The same call again, as after a COMMIT without an answer; then another.
    for (now, certificates) in [(NOW + 1, 2), (NOW + 1, 2), (NOW + 2, 0)] {
        let revoked = db.ledger().revoke_agent(&machine.agent, now).await.unwrap();
        assert_eq!(revoked, AgentRevoked { certificates, serials: serials.clone() });
    }
    for shown in serials {
        assert!(is_revoked(&Machine::new("a").renew(db.ledger(), shown, NOW + 2).await));
    }
    assert!(is_revoked(&machine.join(db.ledger(), &token, NOW + 2).await));
    machine.joins(db.ledger()).await;
    assert_eq!(good(&db).await.len(), 1);

    let unknown = db.ledger().revoke_agent(&scene::agent("b"), NOW).await;
    assert!(matches!(unknown, Err(LedgerError::NoSuchAgent(_))), "{unknown:?}");
    scene::meet(db.ledger(), "b").await;
    assert_eq!(db.ledger().revoke_agent(&scene::agent("b"), NOW).await.unwrap().certificates, 0);
}

#[rstest]
#[tokio::test]
async fn removed_agent_neither_joins_nor_renews(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    scene::meet(db.ledger(), "a").await;
    let machine = Machine::new("a");
    let shown = machine.joins(db.ledger()).await;
    let token = machines::record_token(db.ledger(), &machine.agent).await;
    let removed = StandingRecord {
        agent: machine.agent.clone(),
        standing: Standing::Removed,
        reason: String::new(),
        since: NOW,
        deadline: None,
    };
    db.ledger().put_standing(&removed).await.unwrap();
    let joined = machine.join(db.ledger(), &token, NOW).await;
    assert!(matches!(joined, Err(LedgerError::AgentRemoved(_))), "{joined:?}");
    let renewed = machine.renew(db.ledger(), shown, NOW).await;
    assert!(matches!(renewed, Err(LedgerError::AgentRemoved(_))), "{renewed:?}");
    // Only who holds the token hears of it.
    let guessed = machine.join(db.ledger(), &machines::join_token(), NOW).await;
    assert!(matches!(guessed, Err(LedgerError::Join(_))), "{guessed:?}");
    db.ledger().clear_standing(&machine.agent, NOW).await.unwrap();
    machine.join(db.ledger(), &token, NOW).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn certificate_that_a_restored_backup_does_not_know_is_revoked_once_it_was_shown(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = Fixture::new(on).await;
    let machine = Machine::new("a");
    let issued = machine.issue(NOW).unwrap();
    let facts = Facts::of(&issued.der).unwrap();
    for _ in 0..2 {
        db.ledger().know_certificate(&machine.agent, &facts, &issued.der).await.unwrap();
    }
    assert_eq!(good(&db).await, [issued.serial.to_string()]);
    assert_eq!(machine.renew(db.ledger(), issued.serial, NOW).await.unwrap(), issued.der.to_vec());
    db.ledger().revoke_agent(&machine.agent, NOW).await.unwrap();
    // What is known stays as it is.
    db.ledger().know_certificate(&machine.agent, &facts, &issued.der).await.unwrap();
    assert_eq!(db.ledger().revoked_serials(NOW).await.unwrap(), [issued.serial]);
}

#[rstest]
#[tokio::test]
async fn expired_certificates_are_no_matter_and_are_forgotten(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let machine = Machine::new("a");
    let first = machine.joins(db.ledger()).await;
    assert_eq!(db.ledger().revoke_agent(&machine.agent, LONG_AFTER).await.unwrap().certificates, 0);
    db.ledger().revoke_agent(&machine.agent, NOW).await.unwrap();
    assert_eq!(db.ledger().revoked_serials(NOW).await.unwrap(), [first]);
    assert!(db.ledger().revoked_serials(LONG_AFTER).await.unwrap().is_empty());
    assert_eq!(db.ledger().prune_certificates(NOW).await.unwrap(), 0);
    assert_eq!(db.ledger().prune_certificates(LONG_AFTER).await.unwrap(), 1);
    assert_eq!(db.value("SELECT COUNT(*) FROM cofiAgentCertificate").await, "0");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn raced_joins_with_one_token_give_one_certificate(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let agent = scene::agent("a");
    for same_key in [true, false] {
        let token = machines::record_token(db.ledger(), &agent).await;
        let machines = [(); 2].map(|()| std::sync::Arc::new(Machine::new("a")));
        let mut racing = JoinSet::new();
        for racer in 0..4 {
            let (ledger, token) = (db.another_ledger().await, token.clone());
            let machine = machines[if same_key { 0 } else { racer % 2 }].clone();
            racing.spawn(async move { machine.join(&ledger, &token, NOW).await });
        }
        let answers = racing.join_all().await;
        let mut got: Vec<_> = answers.iter().flatten().map(|joined| joined.certificate.clone()).collect();
        got.dedup();
        assert_eq!(got.len(), 1, "{answers:?}");
        let is_used =
            |answer: &&Result<_, _>| matches!(answer, Err(LedgerError::Join(JoinRefused::Used { .. })));
        assert_eq!(answers.iter().filter(is_used).count(), if same_key { 0 } else { 2 }, "{answers:?}");
        assert_eq!(good(&db).await, [serial(&got[0]).to_string()]);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn raced_joins_with_two_tokens_leave_one_good_certificate(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let ledgers = [db.another_ledger().await, db.another_ledger().await];
    for _ in 0..8 {
        let mut racers = Vec::new();
        for ledger in ledgers.clone() {
            let machine = Machine::new("a");
            racers.push((machines::record_token(&ledger, &machine.agent).await, machine, ledger));
        }
        let mut racing = JoinSet::new();
        for (token, machine, ledger) in racers {
            racing.spawn(async move { machine.join(&ledger, &token, NOW).await.unwrap() });
        }
        let joined = racing.join_all().await;
        let good = good(&db).await;
        assert_eq!(good.len(), 1);
        assert!(joined.iter().any(|joined| serial(&joined.certificate).to_string() == good[0]));
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_certificate_slips_past_a_revocation(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    for round in 0..8 {
        let machine = Machine::new("a");
        let shown = machine.joins(db.ledger()).await;
        let mut renewing = JoinSet::new();
        for _ in 0..3 {
            let ledger = db.another_ledger().await;
            renewing.spawn(async move { Machine::new("a").renew(&ledger, shown, NOW).await });
        }
        db.ledger().revoke_agent(&machine.agent, NOW + round).await.unwrap();
        for answer in renewing.join_all().await {
            assert!(answer.is_ok() || is_revoked(&answer), "{answer:?}");
        }
        assert!(good(&db).await.is_empty());
    }
}
