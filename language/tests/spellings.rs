//! What engines say, and what the tables must hold for it.

use cofi_language::{AliasError, Canonical, LanguageCode, LanguageTable, seed_rows};
use proptest::prelude::*;

fn canonical(said: &str) -> String {
    match LanguageTable::default().canonical(said) {
        Canonical::Known(code) => code.into(),
        Canonical::Unmapped(said) => format!("unmapped {said}"),
    }
}

fn aliases(pairs: &[(&str, &str)]) -> Result<LanguageTable, AliasError> {
    LanguageTable::new(pairs.iter().map(|(name, code)| ((*name).to_owned(), (*code).to_owned())))
}

#[test]
fn every_standard_leads_to_the_same_code() {
    for (said, code) in [
        ("hi", "hi"),
        ("hin", "hi"),
        ("Hindi", "hi"),
        ("mar", "mr"),
        ("ben", "bn"),
        ("Bengali", "bn"),
        ("ger", "de"),
        ("deu", "de"),
        ("GERMAN", "de"),
        ("spa", "es"),
        ("Castilian", "es"),
        ("fre", "fr"),
        ("fra", "fr"),
        ("chi", "zh"),
        ("zho", "zh"),
        ("cmn", "zh"),
        ("Greek", "el"),
        ("Modern Greek", "el"),
        ("gre", "el"),
        ("Swahili", "sw"),
        ("Nepali", "ne"),
        ("Odia", "or"),
        ("Oriya", "or"),
        ("haw", "haw"),
        ("Serbo-Croatian", "hbs"),
        ("Haitian_Creole", "ht"),
        ("yue", "yue"),
        ("Cantonese", "yue"),
        ("Punjabi", "pa"),
        ("Haitian Creole", "ht"),
        ("hbs", "hbs"),
        ("sh", "hbs"),
        ("Tonga", "to"),
        ("mul", "mul"),
        ("hinglish", "hinglish"),
        ("Hinglish", "hinglish"),
    ] {
        assert_eq!(canonical(said), code, "{said}");
    }
}

#[test]
fn habits_of_engines_are_known() {
    for (said, code) in [
        ("jw", "jv"),
        ("iw", "he"),
        ("mo", "ro"),
        ("in", "id"),
        ("Myanmar", "my"),
        ("nynorsk", "nn"),
        ("", "und"),
        ("  ", "und"),
        ("unknown", "und"),
        ("UNKNOWN", "und"),
        ("und", "und"),
        ("Undetermined", "und"),
        ("zxx", "zxx"),
        ("no speech", "zxx"),
        ("no_speech", "zxx"),
        ("No linguistic content", "zxx"),
    ] {
        assert_eq!(canonical(said), code, "{said:?}");
    }
}

#[test]
fn locale_tags_keep_their_language() {
    for (said, code) in [
        ("en-US", "en"),
        ("en_GB", "en"),
        ("zh_Hans", "zh"),
        ("zh-Hant-TW", "zh"),
        ("de_DE.UTF-8", "de"),
        ("sr_RS@latin", "sr"),
        ("spa-419", "es"),
        ("jw-ID", "jv"),
        ("zh-yue", "yue"),
        ("zh-cmn-Hans", "zh"),
        ("  pt-BR\n", "pt"),
        ("fil-PH", "fil"),
    ] {
        assert_eq!(canonical(said), code, "{said:?}");
    }
}

#[test]
fn letters_are_never_cut() {
    for said in
        ["hindustani2", "germ", "engl", "en-", "en--us", "xx", "qqq", "en us", "Klingonese", "e", "xx-US"]
    {
        assert_eq!(canonical(said), format!("unmapped {said}"));
    }
}

#[test]
fn an_unmapped_word_is_kept_as_it_was_said() {
    let said = "  Some_Creole-X9 ";
    assert_eq!(LanguageTable::default().canonical(said), Canonical::Unmapped(said.to_owned()));
}

#[test]
fn aliases_win_over_everything() {
    let table =
        aliases(&[("en", "Hinglish"), ("Mixed Speech", "tanglish"), ("hi_Latn", "hinglish"), ("x7", "ger")]);
    let table = table.unwrap();
    for (said, code) in [
        ("EN", "hinglish"),
        ("en-US", "hinglish"),
        ("mixed speech", "tanglish"),
        ("hi-latn", "hinglish"),
        ("hi-IN", "hi"),
        ("x7", "de"),
        ("english", "en"),
        ("tanglish", "tanglish"),
    ] {
        assert_eq!(table.canonical(said).to_string(), code, "{said}");
    }
}

#[test]
fn aliases_that_cannot_work_are_refused_with_both_sides_named() {
    assert!(matches!(aliases(&[(" ", "de")]), Err(AliasError::NoName { .. })));
    assert!(matches!(aliases(&[("x", "")]), Err(AliasError::NoCode { .. })));
    assert!(matches!(aliases(&[("x", "a code with blanks")]), Err(AliasError::NoCode { .. })));
    assert!(matches!(aliases(&[("x", "twenty-one-characters")]), Err(AliasError::NoCode { .. })));
    assert!(matches!(aliases(&[("x", "de"), ("X", "fr")]), Err(AliasError::Contradiction { .. })));
    assert!(matches!(aliases(&[("x", "de"), ("de", "fr")]), Err(AliasError::Chain { .. })));
    assert!(aliases(&[("x", "de"), ("X ", "ger"), ("de", "de")]).is_ok());
    let error = aliases(&[("x", "a b")]).unwrap_err().to_string();
    assert!(error.contains("\"x\"") && error.contains("\"a b\""), "{error}");
}

#[test]
fn seed_rows_are_canonical_themselves() {
    for row in seed_rows() {
        assert_eq!(canonical(row.code.as_str()), row.code.as_str());
    }
}

#[test]
fn all_whisper_codes_are_mapped() {
    let codes = "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr \
                 bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn \
                 yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw \
                 su yue";
    for code in codes.split_whitespace() {
        let expected = if code == "jw" { "jv" } else { code };
        assert_eq!(canonical(code), expected);
    }
}

fn spelling() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z]{2,3}", "[a-z]{2,3}[-_][a-zA-Z]{2,4}", "[ a-zA-Z_.@-]{0,24}", any::<String>()]
}

proptest! {
    #[test]
    fn canonical_is_idempotent(said in spelling()) {
        let table = LanguageTable::default();
        if let Canonical::Known(code) = table.canonical(&said) {
            prop_assert_eq!(table.canonical(code.as_str()), Canonical::Known(code));
        }
    }

    #[test]
    fn case_blanks_and_the_separator_do_not_matter(said in "[a-zA-Z]{2,3}([-_][a-zA-Z]{2,4})?", blanks in "[ \t\n]{0,3}") {
        let table = LanguageTable::default();
        let other = format!("{blanks}{}{blanks}", said.to_ascii_uppercase().replace('-', "_"));
        prop_assert_eq!(table.canonical(&said).known(), table.canonical(&other).known());
    }

    #[test]
    fn whatever_is_not_known_is_kept_letter_by_letter(said in spelling()) {
        match LanguageTable::default().canonical(&said) {
            Canonical::Known(code) => prop_assert!(code.as_str().len() <= LanguageCode::MAX_CHARS),
            Canonical::Unmapped(kept) => prop_assert_eq!(kept, said),
        }
    }

    #[test]
    fn nothing_is_ever_called_unknown(said in spelling()) {
        let canonical = LanguageTable::default().canonical(&said);
        prop_assert_ne!(canonical.as_str().trim().to_lowercase(), "unknown");
    }

    #[test]
    fn an_alias_always_wins(name in "[a-zA-Z0-9]{1,8}", code in "[a-z]{4,20}") {
        let table = LanguageTable::new([(name.clone(), code.clone())]).unwrap();
        let expected = LanguageTable::default().canonical(&code).known().map_or(code, String::from);
        prop_assert_eq!(table.canonical(&name).known().map(String::from), Some(expected));
    }
}
