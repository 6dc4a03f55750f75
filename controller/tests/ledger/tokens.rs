//! Tokens: hashes are kept, and who is let in by them.

use cofi_controller::ledger::{LedgerError, NewToken, Standing, StandingRecord, TokenPurpose, TokenState};
use cofi_identity::token::{AccessToken, Role, TokenId};
use rstest::rstest;

use crate::{
    fixture::{
        Engine::{self, MariaDb, Sqlite},
        Fixture,
    },
    machines::{self, HOUR, Machine},
    scene::{self, NOW},
};

async fn access(db: &Fixture, role: Role, expires_at: Option<i64>) -> AccessToken {
    let token = AccessToken::generate(role).unwrap();
    db.ledger().add_token(&NewToken::access(&token, "for the night shift", NOW, expires_at)).await.unwrap();
    token
}

async fn listed(db: &Fixture, all: bool, now: i64) -> Vec<TokenId> {
    let tokens = db.ledger().tokens(all, i64::MAX, 100, now).await.unwrap();
    tokens.iter().map(|token| token.id).collect()
}

#[rstest]
#[tokio::test]
async fn tokens_are_listed_newest_first_and_those_that_are_over_only_on_demand(
    #[values(Sqlite, MariaDb)] on: Engine,
) {
    let db = Fixture::new(on).await;
    let operator = access(&db, Role::Operator, None).await.id();
    let viewer = access(&db, Role::Viewer, Some(NOW + 5)).await.id();
    let join = machines::record_token(db.ledger(), &scene::agent("a")).await.id();
    let machine = Machine::new("b");
    machine.joins(db.ledger()).await;
    let used = listed(&db, true, NOW).await[0];
    assert_eq!(listed(&db, false, NOW).await, [join, viewer, operator]);
    assert_eq!(listed(&db, false, NOW + 5).await, [join, operator]);
    assert_eq!(listed(&db, false, NOW + HOUR).await, [operator]);
    assert_eq!(listed(&db, true, NOW + HOUR).await, [used, join, viewer, operator]);

    let first = db.ledger().tokens(true, i64::MAX, 3, NOW).await.unwrap();
    let rest = db.ledger().tokens(true, first[2].sequence, 3, NOW).await.unwrap();
    assert_eq!((first.len(), rest.len(), rest[0].id), (3, 1, operator));
    assert_eq!(rest[0].note, "for the night shift");
    assert_eq!(rest[0].purpose, TokenPurpose::Access(Role::Operator));
    let states = first.iter().chain(&rest).map(|token| token.state(NOW + 5));
    let expected = [TokenState::Used, TokenState::Good, TokenState::Expired, TokenState::Good];
    assert_eq!(states.collect::<Vec<_>>(), expected);
    assert_eq!(first[0].used_by, Some(machine.key()));
}

#[rstest]
#[tokio::test]
async fn callers_come_in_until_their_token_is_revoked_or_expires(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    machines::record_token(db.ledger(), &scene::agent("a")).await;
    let revoked = access(&db, Role::Operator, None).await;
    let viewer = access(&db, Role::Viewer, Some(NOW + 5)).await;
    let operator = access(&db, Role::Operator, None).await;
    db.ledger().revoke_token(revoked.id(), NOW).await.unwrap();
    let known = db.ledger().access_tokens(NOW + 4).await.unwrap();
    let roles: Vec<_> = [&viewer, &operator]
        .iter()
        .zip(&known)
        .map(|(token, (id, record))| (*id == token.id(), record.role_of(token, NOW + 4)))
        .collect();
    assert_eq!(roles, [(true, Ok(Role::Viewer)), (true, Ok(Role::Operator))]);
    assert_eq!(known.len(), 2);
    let later = db.ledger().access_tokens(NOW + 5).await.unwrap();
    assert_eq!(later, known[1..]);
}

#[rstest]
#[tokio::test]
async fn token_is_recorded_once_and_revoked_once(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let token = AccessToken::generate(Role::Operator).unwrap();
    for note in ["first", "again"] {
        db.ledger().add_token(&NewToken::access(&token, note, NOW, None)).await.unwrap();
    }
    assert_eq!(db.value("SELECT note FROM cofiToken").await, "first");
    for now in [NOW + 1, NOW + 2] {
        let record = db.ledger().revoke_token(token.id(), now).await.unwrap();
        assert_eq!(record.revoked_at, Some(NOW + 1));
        assert_eq!(db.ledger().token(token.id()).await.unwrap(), record);
    }
    let unknown = machines::join_token().id();
    for answer in [db.ledger().token(unknown).await, db.ledger().revoke_token(unknown, NOW).await] {
        assert!(matches!(answer, Err(LedgerError::NoSuchToken(id)) if id == unknown), "{answer:?}");
    }
}

#[rstest]
#[tokio::test]
async fn long_note_is_cut_and_fails_nothing(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    let token = AccessToken::generate(Role::Viewer).unwrap();
    let note = "😀".repeat(300);
    db.ledger().add_token(&NewToken::access(&token, note.as_str(), NOW, None)).await.unwrap();
    assert_eq!(db.ledger().token(token.id()).await.unwrap().note, "😀".repeat(200));
}

#[rstest]
#[tokio::test]
async fn removed_agent_gets_no_token_to_join_with(#[values(Sqlite, MariaDb)] on: Engine) {
    let db = Fixture::new(on).await;
    scene::meet(db.ledger(), "a").await;
    let agent = scene::agent("a");
    let removed = StandingRecord {
        agent: agent.clone(),
        standing: Standing::Removed,
        reason: String::new(),
        since: NOW,
        deadline: None,
    };
    db.ledger().put_standing(&removed).await.unwrap();
    let new = NewToken::join(&machines::join_token(), agent.clone(), NOW, NOW + HOUR);
    let refused = db.ledger().add_token(&new).await;
    assert!(matches!(&refused, Err(LedgerError::AgentRemoved(name)) if *name == agent), "{refused:?}");
    assert!(listed(&db, true, NOW).await.is_empty());
    db.ledger().clear_standing(&agent, NOW).await.unwrap();
    db.ledger().add_token(&new).await.unwrap();
}
