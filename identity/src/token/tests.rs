use proptest::prelude::*;

use super::*;
use crate::KeyHash;

fn join() -> JoinToken {
    JoinToken::generate(KeyHash::from_bytes([7; 32])).unwrap()
}

fn secret_of(text: &str) -> &str {
    text.rsplit('.').next().unwrap()
}

#[test]
fn a_join_token_is_read_as_it_is_written() {
    let token = join();
    let again = JoinToken::try_from(token.to_text().as_bytes()).unwrap();
    assert_eq!(again.to_text(), token.to_text());
    assert_eq!(again.hash(), token.hash());
    assert_eq!((again.id(), again.authority()), (token.id(), token.authority()));
    assert_eq!(token.to_text().len(), "cofi1".len() + 1 + 43 + 1 + 16 + 1 + 43);
}

#[test]
fn an_access_token_is_read_as_it_is_written() {
    for role in [Role::Operator, Role::Viewer] {
        let token = AccessToken::generate(role).unwrap();
        let again =
            AccessToken::from_authorization(format!("bearer {}", *token.to_text()).as_bytes()).unwrap();
        assert_eq!(again.hash(), token.hash());
        assert_eq!((again.id(), again.role()), (token.id(), role));
        assert_eq!(role.as_str().parse(), Ok(role));
    }
    assert!("Operator".parse::<Role>().is_err());
}

#[test]
fn nothing_shows_a_secret() {
    let (join, access) = (join(), AccessToken::generate(Role::Viewer).unwrap());
    for (text, shown) in [
        (join.to_text(), format!("{join:?} {join:#?} {:?}", join.hash())),
        (access.to_text(), format!("{access:?} {access:#?} {:?}", access.hash())),
    ] {
        let secret = secret_of(&text);
        assert!(!shown.contains(&secret[..8]), "{shown}");
        // A token that was damaged on its way is still nearly a secret.
        let damaged = format!("{}!", *text);
        let error = damaged.parse::<JoinToken>().err().or(damaged.parse::<AccessToken>().err()).unwrap();
        assert!(!format!("{error} {error:?}").contains(&secret[..8]), "{error}");
    }
}

#[test]
fn every_part_of_a_token_goes_into_its_hash() {
    let viewer = AccessToken::generate(Role::Viewer).unwrap();
    let forged: AccessToken = viewer.to_text().replace("viewer", "operator").parse().unwrap();
    assert_eq!(forged.id(), viewer.id());
    assert_ne!(forged.hash(), viewer.hash());

    let token = join();
    let other = KeyHash::from_bytes([8; 32]).to_string();
    for (part, replacement) in
        [(token.authority().to_string(), &*other), (token.id().to_string(), "0000000000000000")]
    {
        let changed: JoinToken = token.to_text().replace(&part, replacement).parse().unwrap();
        assert_ne!(changed.hash(), token.hash());
    }
}

#[test]
fn tokens_are_refused_with_what_is_wrong() {
    let (join, access) = (join().to_text(), AccessToken::generate(Role::Operator).unwrap().to_text());
    let refused = |text: &str| text.parse::<JoinToken>().unwrap_err();
    assert_eq!(refused(&access), TokenError::Kind { found: "access token", expected: "join token" });
    assert_eq!(refused(""), TokenError::Prefix { expected: "cofi1." });
    assert_eq!(refused(&join.replace("cofi1", "cofi2")), TokenError::Prefix { expected: "cofi1." });
    assert_eq!(refused(&format!("{}\n", *join)), TokenError::Part { part: "secret" });
    assert_eq!(refused(&join[..join.len() - 1]), TokenError::Part { part: "secret" });
    assert_eq!(refused(&join[..60]), TokenError::Parts { found: 3, expected: 4 });
    assert_eq!(refused(&"x".repeat(129)), TokenError::TooLong { bytes: 129 });
    assert_eq!(refused(&join.replacen("cofi1.", "cofi1.=", 1)), TokenError::Part { part: "authority" });

    let refused = |text: &str| text.parse::<AccessToken>().unwrap_err();
    assert_eq!(refused(&join), TokenError::Kind { found: "join token", expected: "access token" });
    let id = access.split('.').nth(1).unwrap();
    assert_eq!(refused(&access.replace(id, "0123456789ABCDEF")), TokenError::Part { part: "id" });
    for header in ["", "Bearer", "Basic abc", &access] {
        let error = AccessToken::from_authorization(header.as_bytes()).unwrap_err();
        assert_eq!(error, TokenError::Authorization, "{header}");
    }
}

proptest! {
    #[test]
    fn a_token_has_one_spelling(at in any::<prop::sample::Index>(), byte in 0x20_u8..0x7f) {
        let text = join().to_text();
        let mut other = text.as_bytes().to_vec();
        let at = at.index(other.len());
        other[at] = byte;
        let other = String::from_utf8(other).unwrap();
        if let Ok(token) = other.parse::<JoinToken>() {
            prop_assert_eq!(&*token.to_text(), &other);
        }
    }

    #[test]
    fn random_text_is_refused(text in "\\PC{0,140}", tail in "[A-Za-z0-9_.-]{0,120}") {
        for text in [text, format!("cofi1.{tail}"), format!("cofi1-viewer.{tail}")] {
            prop_assert!(text.parse::<JoinToken>().is_err());
            prop_assert!(text.parse::<AccessToken>().is_err());
            prop_assert!(text.parse::<TokenId>().is_err());
            prop_assert!(AccessToken::from_authorization(text.as_bytes()).is_err());
        }
    }

    #[test]
    fn random_bytes_are_no_authorization(bytes in proptest::collection::vec(any::<u8>(), 0..160)) {
        prop_assert!(AccessToken::from_authorization(&bytes).is_err());
        prop_assert!(AccessToken::try_from(&*bytes).is_err());
        prop_assert!(JoinToken::try_from(&*bytes).is_err());
    }
}
