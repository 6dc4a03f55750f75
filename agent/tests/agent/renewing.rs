//! Sessions of an agent whose certificate and trust change while it runs.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use cofi_identity::{Authority, files::AgentFiles};

use crate::support::{Controller, Session, Site, TestAgent, recording, until, within};

/// The next session of another certificate than `before`.
async fn renewed(controller: &mut Controller, before: &Session) -> Session {
    within("a session with another certificate", async {
        loop {
            let session = controller.session().await;
            if session.peer.serial != before.peer.serial {
                return session;
            }
        }
    })
    .await
}

#[tokio::test]
async fn sessions_follow_the_certificate_and_lose_nothing() {
    let site = Site::new();
    site.set_lifetime(Duration::from_secs(4));
    let mut controller = Controller::start_as(site).await;
    let begun = Instant::now();
    let agent = TestAgent::new(&controller).started();
    let mut session = controller.session().await;
    for ordinal in 0..5 {
        let mut receiving = loop {
            let receiving = controller.receiving().await;
            if !receiving.is_over() {
                break receiving;
            }
        };
        receiving.store(&recording(ordinal, "speak:hi")).await;
        let next = renewed(&mut controller, &session).await;
        session.ended().await;
        session = next;
    }
    // Longer than any of the certificates was good.
    assert!(begun.elapsed() > Duration::from_secs(4));
    assert_eq!(session.held().await.len(), 5);
    assert_eq!(session.peer.agent.as_str(), "test-agent");
    let files = AgentFiles::open(&agent.data().join("identity")).unwrap().unwrap();
    until("the renewed certificate on the disk", async || {
        files.load().unwrap().unwrap().peer.serial == session.peer.serial || !session.is_open()
    })
    .await;
}

#[tokio::test]
async fn an_announced_authority_is_trusted_when_it_takes_over() {
    let mut controller = Controller::start().await;
    let agent = TestAgent::new(&controller).started();
    let session = controller.session().await;
    let successor = Authority::create(crate::support::now()).unwrap();
    let both = controller.site.trust().with(successor.certificate().clone()).unwrap();
    let (site, renewals) = (controller.site.clone(), controller.renewals.clone());
    until("the question whom to trust", async || renewals.asked_for_trust.load(Ordering::SeqCst) > 0).await;
    site.announce(both.clone());
    site.gate.replace_trust(&both).unwrap();
    session.cut().await;
    let session = controller.session().await;
    let files = AgentFiles::open(&agent.data().join("identity")).unwrap().unwrap();
    until("the announced authority on the disk", async || files.load().unwrap().unwrap().trust == both).await;

    // From now on the controller's certificate is from the successor.
    site.take_over(&successor);
    session.cut().await;
    let mut session = controller.session().await;
    assert!(session.held().await.is_empty());
}

#[tokio::test]
async fn a_revoked_agent_comes_back_after_it_joined_anew() {
    let mut controller = Controller::start().await;
    let agent = TestAgent::new(&controller).started();
    let session = controller.session().await;
    controller.site.revocations.revoke([session.peer.serial]);
    session.cut().await;
    let joined = controller.site.certify(agent.data(), &agent.config.name);
    let session = controller.session().await;
    assert_eq!(session.peer.serial, joined.serial);
}
