//! Where the keys come from, the later before the earlier: file, environment,
//! flags.

use std::{fs, path::Path};

use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Format as _, Serialized, Toml},
    value::{Dict, Map, Value},
};

use super::{ConfigError, Keys};

const PREFIX: &str = "COFI_";

/// Puts the layers together.
///
/// # Errors
/// The file cannot be read, a key is not known, or a value has the wrong type.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &Keys,
) -> Result<Keys, ConfigError> {
    let mut layers = Figment::new();
    if let Some(path) = file {
        let text =
            fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
        layers = layers.merge(Named(Toml::string(&text), format!("file {}", path.display())));
    }
    layers = layers.merge(Environment(environment.into_iter().collect())).merge(Serialized::defaults(flags));
    layers.extract().map_err(|error| ConfigError::Layers(Box::new(error)))
}

/// A layer that says where it comes from.
struct Named<P>(P, String);

impl<P: Provider> Provider for Named<P> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.1.clone())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        self.0.data()
    }
}

/// The variables `COFI_` + KEY. Text stays text also where it looks like a
/// number, so that an agent may be called 17.
struct Environment(Vec<(String, String)>);

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named("environment variables COFI_...")
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let mut dict = Dict::new();
        for (variable, text) in &self.0 {
            let Some(key) = variable.strip_prefix(PREFIX).map(str::to_lowercase) else { continue };
            // Others of the same prefix are for other programs.
            if Keys::NAMES.contains(&key.as_str()) {
                let value = number(&key, text).unwrap_or_else(|| Value::from(text.clone()));
                dict.insert(key, value);
            }
        }
        Ok(Profile::Default.collect(dict))
    }
}

fn number(key: &str, text: &str) -> Option<Value> {
    if !Keys::NUMBERS.contains(&key) {
        return None;
    }
    text.parse::<u64>().map(Value::from).or_else(|_| text.parse::<f64>().map(Value::from)).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let file = file("name = \"file\"\nweight = 7\nlog = \"warn\"\ncandidates = [\"en\", \"hi\"]\n");
        let environment = variables(&[("COFI_NAME", "17"), ("COFI_WEIGHT", "8"), ("COFI_TEST_MODEL", "/m")]);
        let flags = Keys { weight: Some(9), ..Keys::default() };
        let keys = load(Some(file.path()), environment, &flags).unwrap();
        assert_eq!(keys.name.as_deref(), Some("17"));
        assert_eq!(keys.weight, Some(9));
        assert_eq!(keys.log.as_deref(), Some("warn"));
        assert_eq!(keys.candidates.unwrap().0, ["en", "hi"]);
    }

    #[test]
    fn lists_may_be_written_as_text() {
        let environment =
            variables(&[("COFI_ENGINE_COMMAND", "python3 'my worker.py'"), ("COFI_CANDIDATES", "en, hi")]);
        let keys = load(None, environment, &Keys::default()).unwrap();
        assert_eq!(keys.engine_command.unwrap().0, ["python3", "my worker.py"]);
        assert_eq!(keys.candidates.unwrap().0, ["en", "hi"]);
    }

    #[test]
    fn errors_name_the_key_the_value_and_what_is_accepted() {
        let wrong = |text: &str| load(Some(file(text).path()), [], &Keys::default()).unwrap_err().to_string();
        let error = wrong("weigth = 3");
        assert!(error.contains("weigth") && error.contains("weight"), "{error}");
        let error = wrong("weight = \"heavy\"");
        assert!(error.contains("weight") && error.contains("heavy") && error.contains("u32"), "{error}");
        let error = wrong("engine = \"magic\"");
        assert!(error.contains("magic") && error.contains("builtin"), "{error}");
        let environment = variables(&[("COFI_ENGINE_COMMAND", "python3 'worker")]);
        let error = load(None, environment, &Keys::default()).unwrap_err().to_string();
        assert!(error.contains("balanced quotes") && error.contains("engine_command"), "{error}");
    }

    #[test]
    fn every_key_has_a_name_in_the_list() {
        let text = serde_json::to_value(Keys::default()).unwrap();
        assert_eq!(text, serde_json::json!({}));
        for name in Keys::NAMES {
            let keys: Result<Keys, _> = serde_json::from_value(serde_json::json!({ name: null }));
            assert!(keys.is_ok(), "{name}");
        }
    }
}
