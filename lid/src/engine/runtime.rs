//! ONNX Runtime: loading the library, choosing the device, opening graphs.

use std::path::Path;

use ort::{
    environment::Environment,
    ep,
    session::{Session, builder::GraphOptimizationLevel},
};

use super::EngineError;

/// What to compute on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Device {
    /// CUDA if it loads, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// CUDA or nothing.
    Cuda,
}

/// A loaded library; sessions share it.
#[derive(Debug)]
pub(super) struct Runtime {
    environment: Environment,
    threads: usize,
}

/// A graph and where it runs.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) session: Session,
    /// `cpu` or `cuda`.
    pub(super) device: &'static str,
    /// Why it is not CUDA, where CUDA was tried.
    pub(super) note: Option<String>,
}

impl Runtime {
    /// Loads `libonnxruntime.so`.
    pub(super) fn load(library: &Path, threads: usize) -> Result<Self, EngineError> {
        let environment = ort::init_from(library)
            .map_err(|error| EngineError::Library { path: library.to_owned(), source: error.into() })?
            .with_name("cofi-lid")
            .with_telemetry(false)
            .build()
            .map_err(|error| EngineError::Library { path: library.to_owned(), source: error.into() })?;
        Ok(Self { environment, threads })
    }

    /// Opens a graph on the CPU.
    pub(super) fn open(&self, graph: &Path) -> Result<Session, EngineError> {
        self.session(graph, false).map_err(|source| EngineError::Graph { path: graph.to_owned(), source })
    }

    /// Opens a graph on the device that was asked for.
    pub(super) fn open_on(&self, graph: &Path, device: Device) -> Result<Placed, EngineError> {
        let cpu = |note| self.open(graph).map(|session| Placed { session, device: "cpu", note });
        match device {
            Device::Cpu => cpu(None),
            Device::Auto | Device::Cuda => match self.session(graph, true) {
                Ok(session) => Ok(Placed { session, device: "cuda", note: None }),
                Err(source) if device == Device::Cuda => {
                    Err(EngineError::Graph { path: graph.to_owned(), source })
                }
                Err(error) => {
                    let why = first_line(&error.to_string());
                    tracing::info!(why, "cuda is not used");
                    cpu(Some(format!("cuda is not used: {why}")))
                }
            },
        }
    }

    fn session(&self, graph: &Path, cuda: bool) -> Result<Session, ort::Error> {
        let mut builder = Session::builder(&self.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)
            .map_err(ort::Error::<()>::from)?
            .with_intra_threads(self.threads)
            .map_err(ort::Error::<()>::from)?;
        if cuda {
            // Without `error_on_failure` a missing CUDA library means the CPU, silently.
            let cuda = ep::CUDA::default().build().error_on_failure();
            builder = builder.with_execution_providers([cuda]).map_err(ort::Error::<()>::from)?;
        }
        builder.commit_from_file(graph)
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches('.').chars().take(300).collect()
}
