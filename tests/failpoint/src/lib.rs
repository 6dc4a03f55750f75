//! Named points at which a test makes a program fail. Only builds with the
//! feature `failpoints` of the controller and the agent contain any of this.
//!
//! A program lists its points with [`points!`] and passes each at the moment
//! that its name tells. What is to happen there is said from outside:
//!
//! ```text
//! FAILPOINTS="agent.files-flushed-not-journaled=kill@2;..."   what happens at which hit
//! FAILPOINTS="list"                                           prints the points, and ends
//! FAILPOINTS_LOG=FILE                                         one line for each hit of those points
//! ```
//!
//! Hits are counted in the log, so that they go on being counted when the
//! program is started again: what happens at the second hit happens once,
//! whatever died in between. The log is also what shows a test that a point was
//! hit at all.

mod armed;
mod order;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use armed::Armed;
use order::Mode;

/// How long a delay takes: longer than anything takes that others could wait
/// for in vain without noticing, shorter than every timeout.
const DELAY: Duration = Duration::from_millis(300);

/// The exit status of a program that is armed wrongly: `EX_USAGE` of sysexits.h.
const WRONG: u8 = 64;

/// A point in a program.
#[derive(Debug)]
pub struct Point {
    name: &'static str,
}

impl Point {
    /// A point whose name says whose it is, what has happened, and what has not.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Passes the point, on a thread that may block: whether it is to fail here.
    #[must_use]
    pub fn fails(&self) -> bool {
        match armed::at(self.name) {
            None => false,
            Some(Mode::Error) => true,
            Some(Mode::Kill) => die(),
            Some(Mode::Delay) => {
                std::thread::sleep(DELAY);
                false
            }
        }
    }

    /// Passes the point in a task.
    pub async fn fails_async(&self) -> bool {
        match armed::at(self.name) {
            None => false,
            Some(Mode::Error) => true,
            Some(Mode::Kill) => die(),
            Some(Mode::Delay) => {
                tokio::time::sleep(DELAY).await;
                false
            }
        }
    }
}

/// Lists the points of a program in its module `failpoint`: each as a static,
/// and `begin`, which arms them.
#[macro_export]
macro_rules! points {
    ($($(#[$words:meta])* $point:ident = $name:literal,)*) => {
        $($(#[$words])* pub(crate) static $point: $crate::Point = $crate::Point::new($name);)*

        static ALL: &[&$crate::Point] = &[$(&$point),*];

        /// Arms the points as the environment says; with an exit status the
        /// program is to end.
        #[must_use]
        pub fn begin() -> Option<std::process::ExitCode> {
            $crate::begin(ALL)
        }
    };
}

/// Passes a point of the program's own, with what is done if it is to fail
/// there.
#[macro_export]
#[allow(clippy::crate_in_macro_def, reason = "the points are the program's")]
macro_rules! failpoint {
    (async $point:ident => $on_error:expr) => {
        if crate::failpoint::$point.fails_async().await {
            $on_error
        }
    };
    ($point:ident => $on_error:expr) => {
        if crate::failpoint::$point.fails() {
            $on_error
        }
    };
}

/// Arms the points as the environment says, at the start of the program. With
/// an exit status the program is to end: the points were only to be listed, or
/// what is asked cannot be understood.
#[must_use]
pub fn begin(points: &'static [&'static Point]) -> Option<ExitCode> {
    match Armed::from_environment(points) {
        Ok(None) => None,
        Ok(Some(Armed::Listed)) => {
            let names: Vec<String> = points.iter().map(|point| format!("{}\n", point.name)).collect();
            // Nobody listening is no error.
            io::stdout().write_all(names.concat().as_bytes()).ok();
            Some(ExitCode::SUCCESS)
        }
        Ok(Some(Armed::Points(points))) => {
            armed::arm(points);
            None
        }
        Err(error) => {
            eprintln!("failpoints: {error}");
            Some(ExitCode::from(WRONG))
        }
    }
}

/// What a disk or a connection says that fails at a point.
#[must_use]
pub fn io_error() -> io::Error {
    io::Error::other("failpoint")
}

/// Ends the program as nothing else does: no destructor runs, no buffer is
/// written.
fn die() -> ! {
    use rustix::process::{Signal, getpid, kill_process};

    if kill_process(getpid(), Signal::KILL).is_err() {
        std::process::abort();
    }
    loop {
        std::thread::park();
    }
}
