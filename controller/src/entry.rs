//! All that decides who comes in, put together at a start.

use std::sync::Arc;

use anyhow::Context as _;
use cofi_identity::ServerNames;
use cofi_proto::clock::Clock;

use crate::{
    access::{DenialLog, Denials, Tokens},
    config::Config,
    door::{Door, Room},
    identity::{Identity, Keeper},
    ledger::Ledger,
    run::Listeners,
};

/// Who the controller is, whom it knows, and what it writes down of those whom
/// it refuses.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) identity: Identity,
    pub(crate) tokens: Tokens,
    pub(crate) denials: Denials,
    /// To be run.
    pub(crate) keeper: Keeper,
    /// To be run.
    pub(crate) denial_log: DenialLog,
}

/// The two listeners, not opened yet.
#[derive(Debug)]
pub(crate) struct Doors {
    pub(crate) control: Door,
    pub(crate) agents: Door,
}

impl Entry {
    /// Reads what files and ledger say; at the first start there is nothing yet,
    /// and it is made.
    pub(crate) async fn open(
        config: &Config,
        ledger: &Ledger,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let names = ServerNames::new(config.server_names.iter().map(String::as_str))?;
        let opening = Identity::open(&config.state_dir, names, config.agent_certificate, clock.clone());
        let (identity, keeper) = opening.await.context("read who this controller is")?;
        keeper.keep_operator_token(ledger).await?;
        let now = clock.now_micros();
        let revoked = ledger.revoked_serials(now).await.context("read which certificates are revoked")?;
        identity.revocations.replace(revoked);
        let tokens = ledger.access_tokens(now).await.context("read the tokens")?;
        let tokens = Tokens::new(tokens, clock);
        let (denials, denial_log) = Denials::new();
        Ok(Self { identity, tokens, denials, keeper, denial_log })
    }

    /// The listeners, with what each needs to judge who comes in.
    pub(crate) fn doors(
        &self,
        config: &Config,
        listeners: Listeners,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Doors> {
        let room = Room::new(config.max_connections, config.connections_per_agent);
        let door = |name, listener, tls, for_agents, limits| Door {
            name,
            listener,
            tls,
            for_agents,
            limits,
            revocations: self.identity.revocations.clone(),
            denials: self.denials.clone(),
            clock: clock.clone(),
        };
        let Listeners { control, agent } = listeners;
        Ok(Doors {
            control: door("control", control, self.identity.for_control()?, false, room.for_control()),
            agents: door("agent", agent, self.identity.for_agents()?, true, room.for_agents()),
        })
    }
}
