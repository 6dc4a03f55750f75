use cofi_identity::{
    AGENT_LIFETIME, Authority, Facts, PrivateKey,
    token::{AccessRecord, JoinToken},
};
use cofi_proto::clock::FixedClock;
use http::HeaderValue;

use super::*;
use crate::{access::table::CALLS, door::Certificate};

const NOW: i64 = 1_000_000;

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Nothing,
    Viewer,
    Operator,
    Expired,
    Revoked,
    /// Known by its id, with another secret.
    Forged,
    /// Of another controller.
    Unknown,
    Join,
}

const ALL: [Shown; 8] = [
    Shown::Nothing,
    Shown::Viewer,
    Shown::Operator,
    Shown::Expired,
    Shown::Revoked,
    Shown::Forged,
    Shown::Unknown,
    Shown::Join,
];

struct Control {
    guard: Guard,
    viewer: AccessToken,
    operator: AccessToken,
    expired: AccessToken,
    revoked: AccessToken,
}

impl Control {
    fn new() -> Self {
        let [viewer, operator, expired, revoked] =
            [Role::Viewer, Role::Operator, Role::Operator, Role::Operator]
                .map(|role| AccessToken::generate(role).unwrap());
        let tokens = Tokens::new([], Arc::new(FixedClock(NOW)));
        for (token, expires_at_micros) in
            [(&viewer, None), (&operator, Some(NOW + 1)), (&expired, Some(NOW)), (&revoked, None)]
        {
            let record =
                AccessRecord { role: token.role(), hash: token.hash(), expires_at_micros, revoked: false };
            tokens.add(token.id(), record);
        }
        tokens.revoke(revoked.id());
        let guard = Guard::of_control(tokens, Denials::unheard());
        Self { guard, viewer, operator, expired, revoked }
    }

    fn header(&self, shown: Shown) -> Option<String> {
        let forged = || {
            let mut text = self.operator.to_text().to_string();
            let last = if text.pop() == Some('A') { 'E' } else { 'A' };
            text.push(last);
            text
        };
        let text = match shown {
            Shown::Nothing => return None,
            Shown::Viewer => self.viewer.to_text().to_string(),
            Shown::Operator => self.operator.to_text().to_string(),
            Shown::Expired => self.expired.to_text().to_string(),
            Shown::Revoked => self.revoked.to_text().to_string(),
            Shown::Forged => forged(),
            Shown::Unknown => AccessToken::generate(Role::Operator).unwrap().to_text().to_string(),
            Shown::Join => JoinToken::generate(cofi_identity::KeyHash::from_bytes([7; 32]))
                .unwrap()
                .to_text()
                .to_string(),
        };
        Some(format!("Bearer {text}"))
    }

    fn call(&self, shown: Shown, path: &str) -> Code {
        let mut headers = HeaderMap::new();
        if let Some(value) = self.header(shown) {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
        }
        self.code(&headers, path)
    }

    fn code(&self, headers: &HeaderMap, path: &str) -> Code {
        let peer = Peer::agent_by_itself("never-asked".parse().unwrap());
        self.guard.judge(&peer, path, headers).err().map_or(Code::Ok, |status| status.code())
    }
}

#[test]
fn on_the_control_listener_the_table_is_kept_by_everyone_for_every_call() {
    let control = Control::new();
    for (path, least) in CALLS {
        for shown in ALL {
            let expected = match (least, shown) {
                (Least::Anyone, _)
                | (Least::Viewer, Shown::Viewer | Shown::Operator)
                | (Least::Operator, Shown::Operator) => Code::Ok,
                (Least::Operator | Least::Agent, Shown::Viewer) | (Least::Agent, Shown::Operator) => {
                    Code::PermissionDenied
                }
                (
                    Least::Viewer | Least::Operator | Least::Agent,
                    Shown::Nothing
                    | Shown::Expired
                    | Shown::Revoked
                    | Shown::Forged
                    | Shown::Unknown
                    | Shown::Join,
                ) => Code::Unauthenticated,
            };
            assert_eq!(control.call(shown, path), expected, "{shown:?} {path}");
        }
    }
}

#[test]
fn on_the_agents_listener_agents_do_what_agents_do_until_they_are_revoked() {
    let revocations = Arc::new(Revocations::default());
    let guard = Guard::of_agents(revocations, Denials::unheard());
    let peer = Peer::agent_by_itself("gpu-01".parse().unwrap());
    // Also with an operator's token: there it counts for nothing.
    let control = Control::new();
    let mut headers = HeaderMap::new();
    let operator = control.header(Shown::Operator).unwrap();
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&operator).unwrap());
    for (path, least) in CALLS {
        let expected = if least == Least::Agent { Code::Ok } else { Code::PermissionDenied };
        for headers in [&headers, &HeaderMap::new()] {
            let judged = guard.judge(&peer, path, headers);
            assert_eq!(judged.err().map_or(Code::Ok, |status| status.code()), expected, "{path}");
        }
    }
}

#[test]
fn a_certificate_that_was_revoked_is_refused_at_the_next_call() {
    let revocations = Arc::new(Revocations::default());
    let guard = Guard::of_agents(revocations.clone(), Denials::unheard());
    let authority = Authority::create(NOW).unwrap();
    let (agent, key) = ("gpu-01".parse().unwrap(), PrivateKey::generate().unwrap());
    let issued = authority.issue_agent(&agent, key.public_key(), NOW, AGENT_LIFETIME).unwrap();
    let (serial, facts) = (issued.serial, Facts::of(&issued.der).unwrap());
    let peer = Peer::with_certificate(agent, Certificate { facts, der: issued.der });
    let path = "/cofi.agent.v1.AgentService/Session";
    assert!(guard.judge(&peer, path, &HeaderMap::new()).is_ok());
    revocations.revoke([serial]);
    let refused = guard.judge(&peer, path, &HeaderMap::new()).err().unwrap();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().contains("join again"), "{refused}");
}

#[test]
fn calls_that_do_not_exist_are_refused_to_everyone() {
    let control = Control::new();
    for path in ["/", "/cofi.v1.BatchService/GetBatch/", "/cofi.v1.Nothing/Nothing", "*"] {
        assert_eq!(control.call(Shown::Nothing, path), Code::Unauthenticated, "{path}");
        assert_eq!(control.call(Shown::Viewer, path), Code::Unimplemented, "{path}");
        assert_eq!(control.call(Shown::Operator, path), Code::Unimplemented, "{path}");
    }
}

#[test]
fn two_tokens_are_none() {
    let control = Control::new();
    let mut headers = HeaderMap::new();
    for shown in [Shown::Viewer, Shown::Operator] {
        let value = control.header(shown).unwrap();
        headers.append(AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
    }
    assert_eq!(control.code(&headers, "/cofi.v1.BatchService/GetBatch"), Code::Unauthenticated);
}

#[test]
fn what_is_wrong_with_a_token_never_repeats_it() {
    let control = Control::new();
    for shown in ALL {
        let Some(value) = control.header(shown) else { continue };
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
        let peer = Peer::agent_by_itself("never-asked".parse().unwrap());
        let judged = control.guard.judge(&peer, "/cofi.v1.AccessService/ListTokens", &headers);
        if let Err(status) = judged {
            let secret = value.rsplit('.').next().unwrap();
            assert!(!format!("{status:?}").contains(secret), "{status:?}");
        }
    }
}

#[test]
fn calls_with_one_token_do_not_take_everyones_place() {
    let control = Control::new();
    let path = "/cofi.v1.BatchService/WatchBatch";
    let mut headers = HeaderMap::new();
    let viewer = control.header(Shown::Viewer).unwrap();
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&viewer).unwrap());
    let peer = Peer::agent_by_itself("never-asked".parse().unwrap());
    let mut going_on = Vec::new();
    let refused = loop {
        match control.guard.judge(&peer, path, &headers) {
            Ok(admitted) => going_on.push(admitted),
            Err(status) => break status,
        }
    };
    assert_eq!((going_on.len(), refused.code()), (256, Code::ResourceExhausted));
    assert_eq!(control.call(Shown::Operator, path), Code::Ok, "another token");
    going_on.pop();
    assert_eq!(control.call(Shown::Viewer, path), Code::Ok, "a call has ended");
}
