//! The command line of `cofi token` and `cofi audit`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use cofi_identity::token::Role;

use super::{ListArgs, age};

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token: for a machine that joins, or for calls
    ///
    /// The secret is told this once, alone on standard output or in the file
    /// that --out names. With --json: one object, `{"token": {...}, "secret",
    /// "secret_file"}`.
    Create(TokenCreateArgs),
    /// List the tokens, newest first; never their secrets
    List(TokenListArgs),
    /// Let nobody in any more with a token
    ///
    /// Certificates that were got with a join token stay good: `cofi agent
    /// revoke` ends those.
    Revoke(TokenRevokeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TokenCreateArgs {
    /// With it one machine joins, once, as this agent
    #[arg(long, value_name = "NAME", required_unless_present = "role", conflicts_with = "role")]
    pub(crate) join: Option<String>,

    /// With it calls are made: a viewer may look, an operator change
    #[arg(long, value_name = "operator|viewer")]
    pub(crate) role: Option<Role>,

    /// How long it is good, for example "1h" or "30d" [default: 1h to join;
    /// for calls until it is revoked]
    #[arg(long, value_name = "DURATION", value_parser = age)]
    pub(crate) ttl: Option<Duration>,

    /// Whom it is for, for whoever looks at it later
    #[arg(long, value_name = "TEXT", conflicts_with = "join")]
    pub(crate) note: Option<String>,

    /// Write the secret to this file, which must not exist and is made for its
    /// owner alone
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct TokenListArgs {
    /// Also those that are used, expired or revoked
    #[arg(long)]
    pub(crate) all: bool,

    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TokenRevokeArgs {
    /// What `cofi token list` calls it, never its secret
    // Read later: a complaint about an argument repeats it.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List what was done by whom, and what was refused, newest first
    List(AuditListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AuditListArgs {
    /// Only what this one did, for example "operator:0123456789abcdef" or
    /// "agent:gpu-01"
    #[arg(long)]
    pub(crate) actor: Option<String>,

    /// Only what was about this, for example "batch:7" or "agent:gpu-01"
    #[arg(long)]
    pub(crate) target: Option<String>,

    /// Only what was refused
    #[arg(long)]
    pub(crate) denied: bool,

    #[command(flatten)]
    pub(crate) list: ListArgs,
}
