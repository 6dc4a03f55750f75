//! A refusal between the two sides, in words that say what to do about it.

use std::fmt;

use cofi_identity::tls::{Fault, Refusal};
use cofi_proto::AgentName;

use crate::config::ControllerAddress;

/// One of the two sides did not accept the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    /// What was dialled.
    pub(crate) controller: ControllerAddress,
    /// Who dialled.
    pub(crate) caller: Caller,
}

/// Who dials a controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// An agent with a certificate.
    Agent(AgentName),
    /// A machine that is to become this agent.
    Joining(AgentName),
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { refusal, controller, caller } = self;
        match (refusal, caller) {
            (Refusal::Own(fault), Caller::Agent(agent)) => own(f, *fault, controller, agent),
            (Refusal::Own(_), Caller::Joining(_)) => write!(
                f,
                "{controller} asks for an agent's certificate, which is what joining gives: give the port of the \
                 control listener (by default 7400), not the one for agents"
            ),
            (Refusal::Peer(fault), caller) => peer(f, *fault, controller, caller),
            (Refusal::Incompatible, _) => write!(
                f,
                "{controller} speaks no TLS 1.3 with HTTP/2 inside: check that this is the controller, and that \
                 no proxy that ends TLS stands before it"
            ),
            (Refusal::NotTls, caller) => write!(
                f,
                "{controller} speaks no TLS: check that this is the controller and its port for {}",
                match caller {
                    Caller::Agent(_) => "agents (by default 7401)",
                    Caller::Joining(_) => "control (by default 7400)",
                }
            ),
        }
    }
}

/// The way back of an agent whose certificate is not accepted any more.
pub(crate) fn join_again(agent: &AgentName) -> String {
    format!(
        "join again: `cofi token create --join {agent}` at the controller, then `cofi-agent join --again` here \
         (this agent need not be restarted)"
    )
}

/// The controller did not accept the agent.
fn own(
    f: &mut fmt::Formatter<'_>,
    fault: Fault,
    controller: &ControllerAddress,
    agent: &AgentName,
) -> fmt::Result {
    let again = join_again(agent);
    match fault {
        Fault::Expired => write!(
            f,
            "{controller} refuses the certificate of agent {agent} as expired; unless a clock is wrong, {again}"
        ),
        Fault::Revoked => {
            write!(f, "{controller} refuses the certificate of agent {agent}, which was revoked; {again}")
        }
        Fault::UnknownAuthority => write!(
            f,
            "{controller} refuses the certificate of agent {agent}, which is from another authority than its \
             own: if it is another controller than the one that was joined, mend `controller`; if its identity \
             was made anew, {again}"
        ),
        Fault::NotYetValid | Fault::OtherAuthority | Fault::OtherName | Fault::Missing | Fault::Unfit => {
            write!(f, "{controller} does not accept the certificate of agent {agent}; {again}")
        }
    }
}

/// The certificate that the controller showed is not accepted.
fn peer(
    f: &mut fmt::Formatter<'_>,
    fault: Fault,
    controller: &ControllerAddress,
    caller: &Caller,
) -> fmt::Result {
    match (fault, caller) {
        (Fault::Expired, _) => write!(
            f,
            "the certificate of {controller} has expired: check the clock of this machine, and that the \
             controller, which renews its certificate by itself, runs"
        ),
        (Fault::NotYetValid, _) => write!(
            f,
            "the certificate of {controller} is not valid yet: check the clocks of this machine and of the \
             controller"
        ),
        (Fault::UnknownAuthority, Caller::Agent(agent)) => write!(
            f,
            "{controller} is none of the controllers that this agent trusts: if it is another one than was \
             joined, mend `controller`; if its identity was made anew, {}",
            join_again(agent)
        ),
        (Fault::UnknownAuthority | Fault::OtherAuthority, _) => write!(
            f,
            "{controller} is not the controller that made the token, and was not sent it: check the address; \
             if it is right, make a new token there with `cofi token create --join NAME`"
        ),
        (Fault::OtherName, _) => write!(
            f,
            "the certificate of {controller} is for other names: dial one of those, or add {} to \
             server_names in the controller's configuration and restart it",
            controller.host()
        ),
        (Fault::Revoked | Fault::Missing | Fault::Unfit, _) => write!(
            f,
            "{controller} shows no certificate of a controller: check the address and what stands in between"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(refusal: Refusal, caller: fn(AgentName) -> Caller) -> String {
        let controller = "cofi.example.org:7401".parse().unwrap();
        Refused { refusal, controller, caller: caller("gpu-01".parse().unwrap()) }.to_string()
    }

    #[test]
    fn an_agent_is_told_how_to_get_in_again() {
        for fault in [Fault::Expired, Fault::Revoked, Fault::UnknownAuthority, Fault::Missing, Fault::Unfit] {
            let words = words(Refusal::Own(fault), Caller::Agent);
            assert!(words.contains("cofi token create --join gpu-01"), "{words}");
            assert!(words.contains("cofi-agent join --again"), "{words}");
        }
    }

    #[test]
    fn each_refusal_has_words_of_its_own() {
        let faults =
            [Fault::Expired, Fault::NotYetValid, Fault::UnknownAuthority, Fault::OtherName, Fault::Unfit];
        let mut seen: Vec<String> = faults.map(|fault| words(Refusal::Peer(fault), Caller::Agent)).to_vec();
        seen.push(words(Refusal::NotTls, Caller::Agent));
        seen.push(words(Refusal::NotTls, Caller::Joining));
        seen.push(words(Refusal::Incompatible, Caller::Agent));
        seen.push(words(Refusal::Own(Fault::Missing), Caller::Joining));
        seen.push(words(Refusal::Peer(Fault::OtherAuthority), Caller::Joining));
        assert!(seen.iter().all(|words| words.contains("cofi.example.org:7401")), "{seen:#?}");
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count);
        let other_name = words(Refusal::Peer(Fault::OtherName), Caller::Agent);
        assert!(other_name.contains("add cofi.example.org to server_names"), "{other_name}");
    }
}
