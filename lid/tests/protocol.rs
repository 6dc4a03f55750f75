//! The lines that workers write: what is read from them, and what is refused.

use cofi_lid::protocol::{
    Answer, Failure, FailureClass, LanguageProbability, MAX_LINE_BYTES, ProtocolError, Ready, WorkerLine,
};
use proptest::prelude::*;

#[test]
fn a_foreign_worker_may_be_brief() {
    assert_eq!(WorkerLine::parse(r#"{"ready":{}}"#).unwrap(), WorkerLine::Ready { ready: Ready::default() });
    let answer = WorkerLine::parse(r#"{"id":"1/2","language":"hin","duration_seconds":3}"#).unwrap();
    let expected = Answer {
        id: "1/2".to_owned(),
        language: "hin".to_owned(),
        probabilities: Vec::new(),
        unrestricted: None,
        duration_seconds: 3.0,
        processing_seconds: None,
    };
    assert_eq!(answer, WorkerLine::Answer(expected));
    let failure = WorkerLine::parse(r#"{"id":"1/2","error":"no idea"}"#).unwrap();
    let expected = Failure {
        id: "1/2".to_owned(),
        error: "no idea".to_owned(),
        code: "engine_error".to_owned(),
        class: FailureClass::Recording,
    };
    assert_eq!(failure, WorkerLine::Failure(expected));
}

#[test]
fn members_of_the_future_are_ignored() {
    let line = r#"{"id":"1","language":"hi","duration_seconds":1,"dialect":"x","ready":null}"#;
    assert!(matches!(WorkerLine::parse(line), Ok(WorkerLine::Answer(_))));
}

#[test]
fn lines_that_say_nothing_or_two_things_are_refused() {
    for line in [
        "{}",
        r#"{"id":"1"}"#,
        r#"{"id":"1","duration_seconds":1}"#,
        r#"{"id":"1","language":"hi","duration_seconds":1,"error":"x"}"#,
        r#"{"ready":{},"fatal":"x"}"#,
        r#"{"ready":{},"id":"1","error":"x"}"#,
    ] {
        assert!(matches!(WorkerLine::parse(line), Err(ProtocolError::Shape { .. })), "{line}");
    }
}

#[test]
fn values_that_cannot_be_are_refused() {
    for line in [
        r#"{"language":"hi","duration_seconds":1}"#,
        r#"{"id":"","language":"hi","duration_seconds":1}"#,
        r#"{"id":"1","language":"","duration_seconds":1}"#,
        r#"{"id":"1","language":"h\ni","duration_seconds":1}"#,
        r#"{"id":"1","language":"hi"}"#,
        r#"{"id":"1","language":"hi","duration_seconds":-0.5}"#,
        r#"{"id":"1","language":"hi","duration_seconds":1,"processing_seconds":-1}"#,
        r#"{"id":"1","language":"hi","duration_seconds":1,"unrestricted":{"language":"ur","probability":1.5}}"#,
        r#"{"id":"1","language":"hi","duration_seconds":1,"probabilities":[{"language":"ur","probability":-0.1}]}"#,
        r#"{"id":"1","language":"hi","duration_seconds":1,"probabilities":[{"language":"","probability":0.1}]}"#,
        r#"{"id":"1","error":"x","code":""}"#,
    ] {
        assert!(matches!(WorkerLine::parse(line), Err(ProtocolError::Value { .. })), "{line}");
    }
}

#[test]
fn what_is_no_json_of_this_kind_is_refused() {
    for line in [
        "",
        "ready",
        "[1]",
        r#"{"id":1,"error":"x"}"#,
        r#"{"id":"1","error":"x","class":"weather"}"#,
        r#"{"id":"1","language":"hi","duration_seconds":"12"}"#,
        r#"{"id":"1","language":"hi","duration_seconds":1e999}"#,
        r#"{"id":"1","language":"hi","duration_seconds":NaN}"#,
        r#"{"id":"1","id":"2","error":"x"}"#,
    ] {
        assert!(matches!(WorkerLine::parse(line), Err(ProtocolError::Json(_))), "{line}");
    }
}

#[test]
fn a_line_may_not_grow_without_end() {
    let padding = " ".repeat(MAX_LINE_BYTES);
    let line = format!(r#"{{"ready":{{}}}}{padding}"#);
    assert!(matches!(WorkerLine::parse(&line), Err(ProtocolError::TooLong { .. })));
    let failure = Failure { id: "1".into(), error: padding, code: "x".into(), class: FailureClass::Engine };
    assert!(matches!(WorkerLine::Failure(failure).to_line(), Err(ProtocolError::TooLong { .. })));
}

/// Numbers that a decimal of few digits holds exactly: the protocol promises no more.
fn thousandths(most: u32) -> impl Strategy<Value = f64> {
    (0..=most).prop_map(|thousandths| f64::from(thousandths) / 1000.0)
}

fn probability() -> impl Strategy<Value = LanguageProbability> {
    ("[a-z]{2,8}", thousandths(1000))
        .prop_map(|(language, probability)| LanguageProbability { language, probability })
}

fn answer() -> impl Strategy<Value = Answer> {
    (
        "[0-9/#]{1,12}",
        "[a-z]{2,8}",
        prop::collection::vec(probability(), 0..5),
        prop::option::of(probability()),
        thousandths(1_000_000_000),
        prop::option::of(thousandths(10_000_000)),
    )
        .prop_map(|(id, language, probabilities, unrestricted, duration_seconds, processing_seconds)| {
            Answer { id, language, probabilities, unrestricted, duration_seconds, processing_seconds }
        })
}

fn failure() -> impl Strategy<Value = Failure> {
    let class = prop_oneof![Just(FailureClass::Recording), Just(FailureClass::Engine)];
    ("[0-9/#]{1,12}", any::<String>(), "[a-z_]{1,20}", class).prop_map(|(id, error, code, class)| Failure {
        id,
        error,
        code,
        class,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(line in prop_oneof![
        answer().prop_map(WorkerLine::Answer),
        failure().prop_map(WorkerLine::Failure),
        failure().prop_map(WorkerLine::GivenUp),
        any::<String>().prop_map(|fatal| WorkerLine::Fatal { fatal }),
        prop::option::of("[a-z]{1,9}").prop_map(|engine| WorkerLine::Ready { ready: Ready { engine, ..Ready::default() } }),
    ]) {
        let written = line.to_line().unwrap();
        prop_assert!(!written.contains('\n'));
        prop_assert_eq!(WorkerLine::parse(&written).unwrap(), line);
    }

    #[test]
    fn no_line_makes_the_parser_panic(line in any::<String>()) {
        let understood = WorkerLine::parse(&line).is_ok();
        let may_be_an_object = line.trim_start().as_bytes().first() == Some(&0x7b);
        prop_assert!(may_be_an_object || !understood);
    }
}
