//! Crash points: a program of a small cluster fails at one of its named
//! points, and everything must come to rest as if it had not.
//!
//! ```text
//!   Route (point, story) x Mode x database = Combination ---> Scene
//!                                                              |  tells the story until the point was hit
//!                                                              |  starts again what died
//!                                                              '> audit, `cofi check`, counts on the agents
//! ```

mod points;
mod scene;
mod story;

use std::fmt;

use anyhow::{Context as _, Result, ensure};

pub use self::points::{Daemon, Route, routes};
use self::scene::Scene;
use crate::database::Kind;

/// Recordings of a batch.
const RECORDINGS: usize = 120;

/// Times that a story is told at most.
const MOST_TIMES: usize = 4;

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What comes next fails.
    Error,
    /// SIGKILL.
    Kill,
    /// What comes next is late.
    Delay,
    /// SIGKILL, the second time.
    KillAtSecondHit,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Error, Self::Kill, Self::Delay, Self::KillAtSecondHit];

    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Kill | Self::KillAtSecondHit => "kill",
            Self::Delay => "delay",
        }
    }

    fn hit(self) -> usize {
        match self {
            Self::Error | Self::Kill | Self::Delay => 1,
            Self::KillAtSecondHit => 2,
        }
    }
}

/// What is tried.
#[derive(Debug, Clone)]
pub struct Combination {
    /// At which point.
    pub route: Route,
    /// What happens there.
    pub mode: Mode,
    /// On which database.
    pub kind: Kind,
}

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {:?}", self.order(), self.kind)
    }
}

impl Combination {
    /// What is to happen, as a program is told.
    fn order(&self) -> String {
        format!("{}={}@{}", self.route.point, self.mode.word(), self.hits())
    }

    /// How often the point is to be hit.
    fn hits(&self) -> usize {
        self.route.after + self.mode.hit()
    }

    /// What a program is told to do at its points.
    fn orders(&self, daemon: Daemon) -> Vec<String> {
        let first = self.route.first.iter().filter(|(whose, ..)| *whose == daemon);
        let mut orders: Vec<String> = first.map(|(_, point, order)| format!("{point}={order}")).collect();
        if self.route.daemon == daemon {
            orders.push(self.order());
        }
        orders
    }

    /// Tries it.
    pub async fn run(&self) -> Result<()> {
        self.play().await.with_context(|| self.to_string())
    }

    async fn play(&self) -> Result<()> {
        let mut scene = Scene::begin(self).await?;
        let mut times = 0;
        while times == 0 || scene.hits()? < self.hits() {
            ensure!(times < MOST_TIMES, "the point was hit {} times", scene.hits()?);
            self.route.story.tell(&mut scene, times).await?;
            times += 1;
        }
        scene.finish().await
    }
}
