//! Tokens and what is written beside them. Each has exactly one spelling, no
//! secret is shown, and a token of one kind is none of another.

use std::{fmt::Display, str::FromStr};

use cofi_identity::{
    Serial,
    token::{AccessToken, JoinToken, MAX_TOKEN_BYTES, Role, TokenError, TokenId},
};

use crate::{Kind, check_words, dispatch};

/// What an input may be: each text is taken for all of them, but for the header,
/// which begins otherwise.
pub const KINDS: &[Kind] = &[("text", text), ("header", header)];

/// The target.
pub fn check(input: &[u8]) {
    dispatch(KINDS, input);
}

fn text(bytes: &[u8]) {
    let (join, access) = (JoinToken::try_from(bytes), AccessToken::try_from(bytes));
    assert!(join.is_err() || access.is_err(), "of both kinds");
    match &join {
        Ok(token) => join_token(token, bytes),
        Err(error) => check_refusal(*error),
    }
    match &access {
        Ok(token) => access_token(token, bytes),
        Err(error) => check_refusal(*error),
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    spelled_once::<TokenId>(text);
    spelled_once::<Serial>(text);
    spelled_once::<Role>(text);
}

fn join_token(token: &JoinToken, bytes: &[u8]) {
    check_length(bytes);
    let written = token.to_text();
    assert_eq!(written.as_bytes(), bytes, "another spelling");
    let again: JoinToken = written.parse().expect("what was written");
    assert_eq!((again.hash(), again.id(), again.authority()), (token.hash(), token.id(), token.authority()));
    check_hidden(&format!("{token:?}"), &written);
}

fn access_token(token: &AccessToken, bytes: &[u8]) {
    check_length(bytes);
    let written = token.to_text();
    assert_eq!(written.as_bytes(), bytes, "another spelling");
    let again: AccessToken = written.parse().expect("what was written");
    assert_eq!((again.hash(), again.id(), again.role()), (token.hash(), token.id(), token.role()));
    check_hidden(&format!("{token:?}"), &written);

    // The same token with another role is as good as a wrong secret.
    let (own, other) = match token.role() {
        Role::Viewer => ("viewer", "operator"),
        Role::Operator => ("operator", "viewer"),
    };
    let promoted: AccessToken = written.replacen(own, other, 1).parse().expect("a token of the other role");
    assert_ne!(promoted.hash(), token.hash());
    assert_ne!(promoted.role(), token.role());
}

fn header(bytes: &[u8]) {
    let token = match AccessToken::from_authorization(bytes) {
        Ok(token) => token,
        Err(error) => return check_refusal(error),
    };
    let (scheme, rest) = bytes.split_at("Bearer ".len());
    assert!(scheme.eq_ignore_ascii_case(b"Bearer "));
    access_token(&token, rest);
}

fn check_length(bytes: &[u8]) {
    assert!(bytes.len() <= MAX_TOKEN_BYTES && bytes.is_ascii());
}

/// The last part of a token is its secret.
fn check_hidden(shown: &str, written: &str) {
    let secret = written.rsplit('.').next().expect("a part");
    assert_eq!(secret.len(), 43);
    // In a token that is made up the authority may spell the same.
    let elsewhere = written.matches(secret).count() > 1;
    assert!(elsewhere || !shown.contains(secret), "the secret is shown");
}

/// Nothing that stands in a refused token is repeated: the words are of ours.
fn check_refusal(error: TokenError) {
    check_words(&error);
    let words = error.to_string();
    assert!(words.is_ascii() && words.len() < 120, "{words}");
}

fn spelled_once<T: FromStr + Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
    }
}
