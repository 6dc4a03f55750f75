//! What the program does.

use std::{future::Future, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use cofi_agent::{
    Stop,
    join::{self, Join},
    moment, telemetry,
};
use cofi_proto::clock::SystemClock;

use crate::args::{self, Args, JoinArgs};

/// Runs the agent, or shows its configuration.
pub(crate) fn serve(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.load()?;
    if args.check_config {
        return args::print(&config);
    }
    telemetry::start(&config.log, config.log_format)?;
    cofi_lid::worker::forbid_dumps().context("forbid dumps")?;
    let program = std::env::current_exe().context("find the path of this program")?;
    on_runtime(async {
        let stop = Stop::new();
        tokio::select! {
            ended = cofi_agent::run(config, program, stop.clone()) => ended,
            signals = stop.on_signals() => signals.context("listen for signals"),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Makes this machine an agent.
pub(crate) fn join(args: &JoinArgs) -> anyhow::Result<ExitCode> {
    let config = args.load()?;
    cofi_lid::worker::forbid_dumps().context("forbid dumps")?;
    let token = join::read_token(&args.token_file)?;
    let join = Join {
        controller: args.controller.clone(),
        token,
        agent: config.name,
        data_dir: config.data_dir,
        again: args.again,
    };
    let joined = on_runtime(async { Ok(join::join(join, Arc::new(SystemClock)).await?) })?;
    args::say(format_args!(
        "joined as agent {}; its certificate is good until {}, and renewed before\n",
        joined.agent,
        moment(joined.not_after_micros)
    ))
}

fn on_runtime<T>(doing: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(doing)
}
