//! What is written down of what was done and what was refused.

use cofi_proto::pb::v1::{
    AuditEntry, CancelBatchRequest, CreateBatchRequest, DrainAgentRequest, GetBatchRequest,
    ListTokensRequest, RevokeAgentRequest, RevokeTokenRequest, TokenKind,
    batch_service_client::BatchServiceClient, create_batch_response::Outcome,
    fleet_service_client::FleetServiceClient,
};

use tonic::Code;

use super::house::{House, Token};

fn find<'a>(entries: &'a [AuditEntry], action: &str) -> &'a AuditEntry {
    entries
        .iter()
        .find(|entry| entry.action == action)
        .unwrap_or_else(|| panic!("no {action} in {entries:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_changes_something_is_written_down_with_who_did_it() {
    let mut house = House::open().await;
    let source = house.path("calls");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("a.wav"), b"RIFF").unwrap();
    let mut batches = BatchServiceClient::new(house.operator().await);
    let request = CreateBatchRequest { source: source.display().to_string(), ..Default::default() };
    let made = batches.create_batch(request).await.unwrap().into_inner();
    let Some(Outcome::Batch(batch)) = made.outcome else { panic!("{made:?}") };
    batches.cancel_batch(CancelBatchRequest { batch_id: batch.batch_id }).await.unwrap();
    let machine = house.joined("gpu-01").await;
    assert!(machine.is_let_in().await);
    let viewer = house.access_token(TokenKind::Viewer, 0).await.token.unwrap().token_id;
    let mut access = house.access().await;
    access.revoke_token(RevokeTokenRequest { token_id: viewer.clone() }).await.unwrap();
    access
        .revoke_agent(RevokeAgentRequest { name: "gpu-01".to_owned(), reason: "sold".to_owned() })
        .await
        .unwrap();
    // What changes nothing, or is refused by the rows, leaves nothing.
    batches.get_batch(GetBatchRequest { batch_id: batch.batch_id }).await.unwrap();
    access.list_tokens(ListTokensRequest::default()).await.unwrap();
    let unknown = DrainAgentRequest { name: "nobody".to_owned(), ..Default::default() };
    assert!(FleetServiceClient::new(house.operator().await).drain_agent(unknown).await.is_err());

    let entries = house.audit(false).await;
    let operator = format!("operator:{}", house.operator_token().id());
    let batch = format!("batch:{}", batch.batch_id);
    for (action, actor, target) in [
        ("BatchService.CreateBatch", operator.as_str(), batch.as_str()),
        ("BatchService.CancelBatch", &operator, &batch),
        ("EnrolmentService.Enrol", "agent:gpu-01", "agent:gpu-01"),
        ("AccessService.RevokeToken", &operator, &format!("token:{viewer}")),
        ("AccessService.RevokeAgent", &operator, "agent:gpu-01"),
    ] {
        let entry = find(&entries, action);
        assert_eq!((entry.actor.as_str(), entry.target.as_str()), (actor, target), "{entry:?}");
        assert_eq!((entry.peer.as_str(), entry.denied, entry.count), ("127.0.0.1", false, 1), "{entry:?}");
    }
    assert!(find(&entries, "AccessService.RevokeAgent").detail.contains("sold"));
    let strange = ["BatchService.GetBatch", "AccessService.ListTokens", "FleetService.DrainAgent"];
    assert!(entries.iter().all(|entry| !strange.contains(&entry.action.as_str())), "{entries:#?}");
    // Newest first.
    assert!(entries.is_sorted_by_key(|entry| std::cmp::Reverse(entry.audit_id)));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_written_down_in_groups_and_no_secret_with_them() {
    let mut house = House::open().await;
    let viewer = house.access_token(TokenKind::Viewer, 0).await;
    let token = house.join_token("gpu-01", 0).await;
    let mut told = 0;
    while told < 500 {
        // Who shows nothing has a connection for a few seconds only.
        let mut nobody = BatchServiceClient::new(house.control(Token::default()).await);
        for _ in 0..100 {
            let refused = nobody.get_batch(GetBatchRequest { batch_id: 1 }).await.unwrap_err();
            told += u32::from(refused.code() == Code::Unauthenticated);
        }
    }
    let mut batches = BatchServiceClient::new(house.control(Token::of(&viewer.secret)).await);
    assert!(batches.cancel_batch(CancelBatchRequest { batch_id: 1 }).await.is_err());
    let key = cofi_identity::PrivateKey::generate().unwrap();
    assert!(house.enrol(&token, "gpu-02", &key).await.is_err());
    let operator = house.operator_token();
    house.end().await;
    house.restart_after_end().await;

    let entries = house.audit(true).await;
    let refused: Vec<&AuditEntry> =
        entries.iter().filter(|entry| entry.action == "BatchService.GetBatch").collect();
    assert_eq!(refused.iter().map(|entry| entry.count).sum::<u32>(), told, "{refused:?}");
    assert!(refused.len() <= 3, "{refused:?}");
    let cancelling = find(&entries, "BatchService.CancelBatch");
    assert_eq!(cancelling.actor, format!("viewer:{}", viewer.token.unwrap().token_id));
    assert_eq!(find(&entries, "EnrolmentService.Enrol").target, "agent:gpu-02");
    // In no table, and in no file but the one that is for it.
    let secrets = [viewer.secret, token.to_text().to_string(), operator.to_text().to_string()];
    for file in ["cofi.sqlite", "cofi.sqlite-wal"] {
        let Ok(bytes) = std::fs::read(house.state_dir().join(file)) else { continue };
        for secret in &secrets {
            let secret = secret.rsplit('.').next().unwrap().as_bytes();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "a secret stands in {file}");
        }
    }
    house.end().await;
}
