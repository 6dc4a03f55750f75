//! From the keys as they are written to the checked configuration, and back
//! for people to read.

use std::{fmt, num::NonZeroU32, ops::RangeInclusive, path::PathBuf, time::Duration};

use cofi_proto::AgentName;

use super::{
    Config, ConfigError, EngineConfig, EngineProgram, Keys, LogFormat,
    keys::{Engine, List},
    limits,
};

const DAY: Duration = Duration::from_hours(24);

impl TryFrom<Keys> for Config {
    type Error = ConfigError;

    fn try_from(keys: Keys) -> Result<Self, ConfigError> {
        let name = match &keys.name {
            Some(name) => {
                let accepted = "1 to 64 letters, digits, '.', '-' or '_', the first a letter or digit";
                name.parse().map_err(|_| ConfigError::value("name", name, accepted))?
            }
            None => host_name()?,
        };
        let data_dir = keys.data_dir.clone().unwrap_or_else(|| PathBuf::from(limits::DATA_DIR));
        // Worker processes are told paths in JSON.
        if data_dir.to_str().is_none() {
            return Err(ConfigError::value("data_dir", data_dir.display(), "a path in UTF-8"));
        }
        let mut config = Self::new(name, data_dir);
        config.named = keys.name.is_some();
        config.engine = engine(&keys)?;
        config.publish_dir = keys.publish_dir;
        if let Some(url) = &keys.controller {
            let accepted = "https://HOST:PORT or HOST:PORT; nothing is sent unencrypted, so no http://";
            config.controller = url.parse().map_err(|_| ConfigError::value("controller", url, accepted))?;
        }
        if let Some(address) = keys.advertise_address {
            config.advertise_address = Some(checked_address(address)?);
        }
        if let Some(bytes) = keys.disk_reserve_bytes {
            let range = 0..=limits::MAX_DISK_RESERVE_BYTES;
            config.disk_reserve_bytes =
                Some(within("disk_reserve_bytes", bytes, range, "0 to 1,125,899,906,842,624 (1 PiB)")?);
        }
        if let Some(weight) = keys.weight {
            config.weight = within("weight", weight, 1..=limits::MAX_WEIGHT, "1 to 10,000")?;
        }
        if let Some(count) = keys.receive_connections {
            let range = 1..=limits::MAX_RECEIVE_CONNECTIONS;
            config.receive_connections = within("receive_connections", count, range, "1 to 16")?;
        }
        if let Some(days) = keys.result_retention_days {
            let days = within("result_retention_days", days, 0..=3650, "0 to 3,650")?;
            config.result_retention = DAY * days;
        }
        if let Some(seconds) = keys.drain_grace_seconds {
            let seconds = within("drain_grace_seconds", seconds, 0..=3600, "0 to 3,600")?;
            config.drain_grace = Duration::from_secs(seconds);
        }
        if let Some(log) = keys.log {
            let accepted = "a filter such as info or warn,cofi_agent=debug";
            tracing_subscriber::EnvFilter::try_new(&log)
                .map_err(|_| ConfigError::value("log", &log, accepted))?;
            config.log = log;
        }
        config.log_format = keys.log_format.unwrap_or(LogFormat::Text);
        Ok(config)
    }
}

impl Config {
    /// The configuration as keys, all of them set but a name that the agent's
    /// certificate gives.
    #[must_use]
    pub fn to_keys(&self) -> Keys {
        let mut keys = Keys {
            name: self.named.then(|| self.name.to_string()),
            controller: Some(self.controller.url()),
            data_dir: Some(self.data_dir.clone()),
            publish_dir: self.publish_dir.clone(),
            advertise_address: self.advertise_address.clone(),
            weight: Some(self.weight),
            receive_connections: Some(self.receive_connections),
            engine_timeout_seconds: Some(self.engine.timeout.as_secs()),
            engine_start_timeout_seconds: Some(self.engine.start_timeout.as_secs()),
            engine_memory_mib: Some(self.engine.memory_mib),
            engine_attempts: Some(self.engine.attempts.get()),
            workers: self.engine.workers.map(NonZeroU32::get),
            candidates: Some(List::new(self.engine.candidates.clone())),
            disk_reserve_bytes: self.disk_reserve_bytes,
            result_retention_days: u32::try_from(self.result_retention.as_secs() / DAY.as_secs()).ok(),
            drain_grace_seconds: Some(self.drain_grace.as_secs()),
            log: Some(self.log.clone()),
            log_format: Some(self.log_format),
            ..Keys::default()
        };
        match &self.engine.program {
            EngineProgram::Builtin { model, onnxruntime_lib, floor } => {
                keys.engine = Some(Engine::Builtin);
                keys.model = Some(model.clone());
                keys.onnxruntime_lib.clone_from(onnxruntime_lib);
                keys.floor = *floor;
            }
            EngineProgram::Command { program, arguments } => {
                keys.engine = Some(Engine::Command);
                let words = std::iter::once(program.display().to_string()).chain(arguments.iter().cloned());
                keys.engine_command = Some(List::new(words.collect()));
            }
        }
        keys
    }
}

fn engine(keys: &Keys) -> Result<EngineConfig, ConfigError> {
    let program = match (keys.engine, &keys.engine_command) {
        (Some(Engine::Builtin), Some(words)) => {
            return Err(ConfigError::value(
                "engine_command",
                words.0.join(" "),
                "nothing with engine builtin",
            ));
        }
        (Some(Engine::Builtin) | None, None) => EngineProgram::Builtin {
            model: keys.model.clone().unwrap_or_else(|| PathBuf::from(limits::MODEL)),
            onnxruntime_lib: keys.onnxruntime_lib.clone(),
            floor: keys.floor.map(checked_floor).transpose()?,
        },
        (Some(Engine::Command) | None, words) => {
            let words = words.as_ref().map_or(&[][..], |words| &words.0);
            let Some((program, arguments)) = words.split_first() else {
                let accepted = "a program and its arguments with engine command";
                return Err(ConfigError::value("engine_command", "", accepted));
            };
            EngineProgram::Command { program: PathBuf::from(program), arguments: arguments.to_vec() }
        }
    };
    let seconds = |key, seconds: Option<u64>, usual: Duration| {
        let seconds = within(key, seconds.unwrap_or(usual.as_secs()), 1..=86_400, "1 to 86,400");
        seconds.map(Duration::from_secs)
    };
    let memory_mib = keys.engine_memory_mib.unwrap_or(limits::ENGINE_MEMORY_MIB);
    let attempts = keys.engine_attempts.unwrap_or(limits::ENGINE_ATTEMPTS.get());
    let attempts = within("engine_attempts", attempts, 1..=limits::MAX_ENGINE_ATTEMPTS, "1 to 20")?;
    let workers = keys.workers.map(|count| within("workers", count, 1..=limits::MAX_WORKERS, "1 to 256"));
    Ok(EngineConfig {
        program,
        workers: workers.transpose()?.and_then(NonZeroU32::new),
        candidates: keys.candidates.as_ref().map_or_else(Vec::new, |codes| codes.0.clone()),
        timeout: seconds("engine_timeout_seconds", keys.engine_timeout_seconds, limits::ENGINE_TIMEOUT)?,
        memory_mib: within("engine_memory_mib", memory_mib, 64..=1_048_576, "64 to 1,048,576")?,
        attempts: NonZeroU32::new(attempts).unwrap_or(limits::ENGINE_ATTEMPTS),
        start_timeout: seconds(
            "engine_start_timeout_seconds",
            keys.engine_start_timeout_seconds,
            limits::ENGINE_START_TIMEOUT,
        )?,
    })
}

fn checked_address(address: String) -> Result<String, ConfigError> {
    let fits = !address.is_empty()
        && address.chars().count() <= limits::MAX_ADDRESS_CHARS
        && !address.chars().any(|c| c.is_control() || c.is_whitespace());
    if fits {
        Ok(address)
    } else {
        Err(ConfigError::value("advertise_address", address, "1 to 100 characters"))
    }
}

fn checked_floor(floor: f64) -> Result<f64, ConfigError> {
    if (0.0..=1.0).contains(&floor) { Ok(floor) } else { Err(ConfigError::value("floor", floor, "0 to 1")) }
}

fn within<T: PartialOrd + fmt::Display>(
    key: &'static str,
    value: T,
    range: RangeInclusive<T>,
    accepted: &'static str,
) -> Result<T, ConfigError> {
    if range.contains(&value) { Ok(value) } else { Err(ConfigError::value(key, value, accepted)) }
}

/// The host's name, with what a name may not hold left out.
fn host_name() -> Result<AgentName, ConfigError> {
    let uname = rustix::system::uname();
    let host = uname.nodename().to_string_lossy();
    name_from(&host)
        .ok_or_else(|| ConfigError::value("name", host, "a name, since the host's cannot be used"))
}

fn name_from(host: &str) -> Option<AgentName> {
    let kept = host.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    let kept: String = kept.skip_while(|c| !c.is_ascii_alphanumeric()).take(64).collect();
    kept.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(keys: Keys) -> Result<Config, String> {
        Config::try_from(keys).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_set_gives_a_safe_agent_on_loopback() {
        let config = checked(Keys::default()).unwrap();
        assert_eq!(config.controller.url(), "https://127.0.0.1:7401");
        assert_eq!(config.weight, 100);
        assert!(!config.named);
        assert!(matches!(config.engine.program, EngineProgram::Builtin { .. }));
    }

    #[test]
    fn what_is_no_address_of_a_controller_is_refused_with_words() {
        for wrong in ["http://10.0.0.1:7401", "https://gpu host:1", "cofi.example.org"] {
            let error = checked(Keys { controller: Some(wrong.to_owned()), ..Keys::default() }).unwrap_err();
            assert!(
                error.contains("controller") && error.contains(wrong) && error.contains("https://HOST:PORT"),
                "{error}"
            );
        }
        let config =
            checked(Keys { controller: Some("cofi.example.org:7401".to_owned()), ..Keys::default() })
                .unwrap();
        assert_eq!(config.to_keys().controller.as_deref(), Some("https://cofi.example.org:7401"));
    }

    #[test]
    fn values_out_of_range_name_key_value_and_what_is_accepted() {
        let cases = [
            (Keys { weight: Some(0), ..Keys::default() }, "weight is \"0\", accepted is 1 to 10,000"),
            (
                Keys { receive_connections: Some(17), ..Keys::default() },
                "receive_connections is \"17\", accepted is 1 to 16",
            ),
            (
                Keys { disk_reserve_bytes: Some(u64::MAX), ..Keys::default() },
                "disk_reserve_bytes is \"18446744073709551615\", accepted is 0 to 1,125,899,906,842,624 (1 PiB)",
            ),
            (Keys { floor: Some(1.5), ..Keys::default() }, "floor is \"1.5\", accepted is 0 to 1"),
            (Keys { workers: Some(0), ..Keys::default() }, "workers is \"0\", accepted is 1 to 256"),
        ];
        for (keys, words) in cases {
            assert_eq!(checked(keys), Err(words.to_owned()));
        }
    }

    #[test]
    fn an_engine_command_belongs_to_engine_command() {
        let words = Some(List::new(vec!["python3".to_owned(), "w.py".to_owned()]));
        let config = checked(Keys { engine_command: words.clone(), ..Keys::default() }).unwrap();
        let arguments = vec!["w.py".to_owned()];
        assert_eq!(config.engine.program, EngineProgram::Command { program: "python3".into(), arguments });
        assert!(
            checked(Keys { engine: Some(Engine::Builtin), engine_command: words, ..Keys::default() })
                .is_err()
        );
        assert!(checked(Keys { engine: Some(Engine::Command), ..Keys::default() }).is_err());
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same() {
        let mut config = checked(Keys::default()).unwrap();
        assert_eq!(checked(config.to_keys()).as_ref(), Ok(&config));
        config.engine.program = EngineProgram::Command {
            program: "sh".into(),
            arguments: vec!["-c".to_owned(), "a b".to_owned()],
        };
        assert_eq!(checked(config.to_keys()), Ok(config));
    }

    #[test]
    fn host_names_become_names() {
        assert_eq!(name_from("-gpu 01.example").unwrap().as_str(), "gpu01.example");
        assert_eq!(name_from("(none)").unwrap().as_str(), "none");
        assert_eq!(name_from("\u{442}\u{435}"), None);
    }
}
