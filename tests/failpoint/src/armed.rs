//! The points that are armed in this program, and how often each was hit.

use std::{
    collections::HashMap,
    env,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use crate::{
    Point,
    order::{Mode, Order, Unclear},
};

const ORDERS: &str = "FAILPOINTS";
const LOG: &str = "FAILPOINTS_LOG";
const LIST: &str = "list";

/// Set once, at the start. A lock and no task: points are passed by threads and
/// tasks alike, and whoever kills the program must not wait for anybody.
static ARMED: OnceLock<Mutex<ArmedPoints>> = OnceLock::new();

/// What the environment asks for.
#[derive(Debug)]
pub(crate) enum Armed {
    /// To be told which points there are.
    Listed,
    /// That these do something.
    Points(ArmedPoints),
}

/// The points that do something.
#[derive(Debug)]
pub(crate) struct ArmedPoints {
    orders: Vec<Order>,
    hits: HashMap<String, u64>,
    log: File,
}

/// Why nothing is armed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArmError {
    #[error("{ORDERS}: {0}")]
    Unclear(#[from] Unclear),
    #[error("{ORDERS}: this program has no point {0:?}")]
    NoSuchPoint(String),
    #[error("{LOG} is not set")]
    NoLog,
    #[error("open the log {}: {source}", path.display())]
    Log { path: PathBuf, source: io::Error },
}

impl Armed {
    pub(crate) fn from_environment(points: &[&Point]) -> Result<Option<Self>, ArmError> {
        let orders = match env::var(ORDERS) {
            Ok(orders) if orders == LIST => return Ok(Some(Self::Listed)),
            Ok(orders) if !orders.is_empty() => orders,
            Ok(_) | Err(_) => return Ok(None),
        };
        let log = env::var_os(LOG).map(PathBuf::from).ok_or(ArmError::NoLog)?;
        ArmedPoints::new(&orders, points, &log).map(|armed| Some(Self::Points(armed)))
    }
}

impl ArmedPoints {
    fn new(orders: &str, points: &[&Point], log: &Path) -> Result<Self, ArmError> {
        let orders = orders.split(';').map(str::parse).collect::<Result<Vec<Order>, _>>()?;
        if let Some(unknown) = orders.iter().find(|order| points.iter().all(|p| p.name() != order.point)) {
            return Err(ArmError::NoSuchPoint(unknown.point.clone()));
        }
        let opened = || {
            let file = File::options().create(true).append(true).open(log)?;
            Ok((file, fs::read_to_string(log)?))
        };
        let (file, before) = opened().map_err(|source| ArmError::Log { path: log.to_owned(), source })?;
        let mut hits = HashMap::new();
        for point in before.lines() {
            *hits.entry(point.to_owned()).or_default() += 1;
        }
        Ok(Self { orders, hits, log: file })
    }

    fn hit(&mut self, point: &str) -> Option<Mode> {
        if self.orders.iter().all(|order| order.point != point) {
            return None;
        }
        // Before anything happens: what is hit last is in the log too.
        if let Err(error) = self.log.write_all(format!("{point}\n").as_bytes()) {
            eprintln!("failpoints: write the log: {error}");
        }
        let hits = self.hits.entry(point.to_owned()).or_default();
        *hits += 1;
        self.orders.iter().find(|order| order.point == point && order.hit == *hits).map(|order| order.mode)
    }
}

pub(crate) fn arm(points: ArmedPoints) {
    ARMED.get_or_init(|| Mutex::new(points));
}

/// What is to happen at this point, now that it is hit.
pub(crate) fn at(point: &str) -> Option<Mode> {
    ARMED.get()?.lock().unwrap_or_else(PoisonError::into_inner).hit(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINT: Point = Point::new("a.b");
    const OTHER: Point = Point::new("a.c");

    fn arm(orders: &str, log: &Path) -> Result<ArmedPoints, ArmError> {
        ArmedPoints::new(orders, &[&POINT, &OTHER], log)
    }

    fn log(name: &str) -> PathBuf {
        let path = env::temp_dir().join(format!("cofi-failpoint-{}-{name}", std::process::id()));
        fs::remove_file(&path).ok();
        path
    }

    #[test]
    fn what_happens_at_the_second_hit_happens_once_also_if_the_program_dies_in_between() {
        let log = log("second");
        let mut first = arm("a.b=kill@2", &log).unwrap();
        assert_eq!((first.hit("a.b"), first.hit("a.c")), (None, None));
        drop(first);
        let mut second = arm("a.b=kill@2", &log).unwrap();
        assert_eq!((second.hit("a.b"), second.hit("a.b")), (Some(Mode::Kill), None));
        assert_eq!(fs::read_to_string(&log).unwrap(), "a.b\n".repeat(3));
        fs::remove_file(&log).unwrap();
    }

    #[test]
    fn a_point_may_do_something_at_several_hits() {
        let log = log("several");
        let mut armed = arm("a.b=error;a.c=delay;a.b=kill@3", &log).unwrap();
        let hits = [armed.hit("a.b"), armed.hit("a.b"), armed.hit("a.b"), armed.hit("a.c")];
        assert_eq!(hits, [Some(Mode::Error), None, Some(Mode::Kill), Some(Mode::Delay)]);
        fs::remove_file(&log).unwrap();
    }

    #[test]
    fn a_point_that_does_not_exist_is_refused() {
        let refused = arm("a.x=kill", &log("unknown")).unwrap_err();
        assert!(refused.to_string().contains("no point \"a.x\""), "{refused}");
    }
}
