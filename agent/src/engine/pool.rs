//! All workers.

use std::{
    ffi::OsString,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tracing::Instrument as _;

use super::{
    board::Board,
    feeder::Feeder,
    keeper::{RESULTS, keep},
    slot::Slot,
};
use crate::{
    Stop,
    config::{EngineConfig, EngineProgram},
    journal::Journal,
    store::Layout,
};

/// What a worker process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<OsString>,
}

impl Program {
    /// What the configuration asks for; `own` is this very program, whose
    /// `lid-worker` is the built-in engine. It gives a recording up by itself,
    /// with a reason, before the agent would have to kill it.
    pub(crate) fn new(config: &EngineConfig, own: &Path) -> Self {
        match &config.program {
            EngineProgram::Builtin { model, onnxruntime_lib, floor } => {
                let mut arguments = vec![OsString::from("lid-worker"), "--model".into(), model.into()];
                let limit = (config.timeout * 9 / 10).as_secs().max(1);
                arguments.extend(["--time-limit".into(), limit.to_string().into()]);
                arguments.extend(["--memory-limit".into(), config.memory_mib.to_string().into()]);
                if let Some(library) = onnxruntime_lib {
                    arguments.extend(["--onnxruntime-lib".into(), library.into()]);
                }
                if let Some(floor) = floor {
                    arguments.extend(["--floor".into(), floor.to_string().into()]);
                }
                Self { path: own.to_owned(), arguments }
            }
            EngineProgram::Command { program, arguments } => {
                Self { path: program.clone(), arguments: arguments.iter().map(OsString::from).collect() }
            }
        }
    }

    /// What the engine is called if it does not say so.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }
}

/// What the workers work with.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) program: Program,
    pub(crate) config: EngineConfig,
    pub(crate) layout: Arc<Layout>,
    pub(crate) journal: Journal,
    pub(crate) feeder: Feeder,
    pub(crate) board: Arc<watch::Sender<Board>>,
    pub(crate) stop: Stop,
}

impl Pool {
    /// Runs all workers until the agent drains and they have finished what
    /// they had in hand.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let Self { program, config, layout, journal, feeder, board, stop } = self;
        let workers = config.workers;
        let (results, kept) = mpsc::channel(RESULTS);
        let first = Slot {
            index: 0,
            program: Arc::new(program),
            config: Arc::new(config),
            layout,
            journal: journal.clone(),
            results,
            feeder,
            board: board.clone(),
            stop: stop.clone(),
        };
        let mut slots = JoinSet::new();
        slots.spawn(keep(journal, kept).in_current_span());
        let mut start = |index: usize| {
            let slot = Slot { index, ..first.clone() };
            slots.spawn(slot.run().instrument(tracing::info_span!("worker", slot = index)));
        };
        start(0);
        let count = if let Some(count) = workers {
            count.get()
        } else {
            tokio::select! {
                count = suitable(board.subscribe()) => count,
                () = stop.draining() => 1,
            }
        };
        (1..usize::try_from(count).unwrap_or(1)).for_each(&mut start);
        // The keeper ends when all workers have.
        drop(first);
        while let Some(ended) = slots.join_next().await {
            ended??;
        }
        Ok(())
    }
}

/// How many workers suit the device, once the first one has said what that is:
/// a GPU is kept busy by one, of a CPU's cores half are left to others.
async fn suitable(mut board: watch::Receiver<Board>) -> u32 {
    let device = match board.wait_for(|board| board.ready().is_some()).await {
        Ok(board) => board.ready().and_then(|ready| ready.device.clone()),
        Err(_) => None,
    };
    if device.as_deref() == Some("cuda") {
        return 1;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(cores / 2).ok().and_then(NonZeroU32::new).map_or(1, NonZeroU32::get)
}
