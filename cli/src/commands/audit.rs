//! `cofi audit`.

use super::{connect, list};
use crate::{
    args::AuditCommand,
    client::{AuditQuery, Target},
    error::Error,
    exit::Exit,
    output::Console,
};

pub(super) async fn run(command: AuditCommand, target: Target, console: Console) -> Result<Exit, Error> {
    let AuditCommand::List(args) = command;
    let query = AuditQuery { actor: args.actor, target: args.target, denied_only: args.denied };
    list(&connect(target).await?, query, args.list.limit(), console).await
}
