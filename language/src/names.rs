//! Languages by their English name.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::LazyLock,
};

use crate::{code::LanguageCode, standard};

/// English names that engines use beside those of the ISO 639-3 table.
const FURTHER_NAMES: &[(&str, &str)] = &[
    ("azeri", "az"),
    ("bangla", "bn"),
    ("cantonese", "yue"),
    ("castilian", "es"),
    ("farsi", "fa"),
    ("flemish", "nl"),
    ("greek", "el"),
    ("haitian creole", "ht"),
    ("kyrgyz", "ky"),
    ("letzeburgesch", "lb"),
    ("mandarin", "zh"),
    ("mandarin chinese", "zh"),
    ("moldavian", "ro"),
    ("moldovan", "ro"),
    ("myanmar", "my"),
    ("no speech", "zxx"),
    ("nospeech", "zxx"),
    ("nynorsk", "nn"),
    ("odia", "or"),
    ("pashto", "ps"),
    ("punjabi", "pa"),
    ("scottish gaelic", "gd"),
    ("silence", "zxx"),
    ("sinhalese", "si"),
    ("slovene", "sl"),
    ("standard arabic", "ar"),
    ("unknown", "und"),
    ("uyghur", "ug"),
    ("valencian", "ca"),
];

/// Names below this length ('E', 'Ga', 'Hu') are left out: whoever says so few letters means a code.
const SHORTEST_NAME: usize = 4;

/// The language that an English name in lower case means; hyphens are as good as blanks.
pub(crate) fn name(name: &str) -> Option<LanguageCode> {
    if name.chars().count() < SHORTEST_NAME {
        return None;
    }
    NAMES.get(&name.replace('-', " ")).cloned().flatten()
}

/// `None` marks a name that several languages share.
static NAMES: LazyLock<HashMap<String, Option<LanguageCode>>> = LazyLock::new(|| {
    let mut names = HashMap::new();
    // Languages with a 639-1 code first: 'swahili' is the macrolanguage `sw` and not one of its members.
    let (short, long): (Vec<_>, Vec<_>) =
        isolang::languages().partition(|language| language.to_639_1().is_some());
    for languages in [short, long] {
        let mut found: HashMap<String, Option<LanguageCode>> = HashMap::new();
        for language in languages {
            let code = standard::code(language.to_639_3());
            match found.entry(language.to_name().to_lowercase().replace('-', " ")) {
                Entry::Vacant(free) => drop(free.insert(code)),
                Entry::Occupied(mut taken) => drop(taken.insert(None)),
            }
        }
        for (name, code) in found {
            names.entry(name).or_insert(code);
        }
    }
    for (name, code) in FURTHER_NAMES {
        names.insert((*name).to_owned(), standard::code(code));
    }
    names
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_further_name_has_a_language() {
        for (further, code) in FURTHER_NAMES {
            assert_eq!(name(further).unwrap().as_str(), *code);
        }
    }

    #[test]
    fn every_name_of_an_iso_639_1_language_means_that_language() {
        let short = isolang::languages().filter(|language| language.to_639_1().is_some());
        for language in short.filter(|language| language.to_name().len() >= SHORTEST_NAME) {
            assert_eq!(name(&language.to_name().to_lowercase()), Some(standard::of(language)));
        }
    }

    #[test]
    fn a_name_that_several_small_languages_share_means_none_of_them() {
        // Whichever came first would be a guess.
        let shared = NAMES.iter().find(|(_, code)| code.is_none()).expect("some names are shared");
        assert_eq!(name(shared.0), None);
    }
}
