//! The one table of who may call what. What does not stand here nobody may.

/// Who may make a call at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Least {
    /// Whoever reaches the control listener.
    Anyone,
    /// Whoever has a token of a viewer or an operator.
    Viewer,
    /// Whoever has a token of an operator.
    Operator,
    /// An agent, by the certificate of its connection.
    Agent,
}

/// Calls by their paths (gRPC over HTTP/2: `/package.Service/Method`).
pub(super) const CALLS: [(&str, Least); 34] = [
    ("/cofi.agent.v1.AgentService/Session", Least::Agent),
    ("/cofi.agent.v1.AgentService/Receive", Least::Agent),
    ("/cofi.agent.v1.IdentityService/Renew", Least::Agent),
    ("/cofi.agent.v1.IdentityService/GetTrust", Least::Agent),
    ("/cofi.v1.AccessService/CreateJoinToken", Least::Operator),
    ("/cofi.v1.AccessService/CreateAccessToken", Least::Operator),
    ("/cofi.v1.AccessService/ListTokens", Least::Operator),
    ("/cofi.v1.AccessService/RevokeToken", Least::Operator),
    ("/cofi.v1.AccessService/RevokeAgent", Least::Operator),
    ("/cofi.v1.AccessService/ListAudit", Least::Operator),
    ("/cofi.v1.BatchService/CreateBatch", Least::Operator),
    ("/cofi.v1.BatchService/GetBatch", Least::Viewer),
    ("/cofi.v1.BatchService/ListBatches", Least::Viewer),
    ("/cofi.v1.BatchService/WatchBatch", Least::Viewer),
    ("/cofi.v1.BatchService/ListRecordings", Least::Viewer),
    ("/cofi.v1.BatchService/RetryRecordings", Least::Operator),
    ("/cofi.v1.BatchService/CancelBatch", Least::Operator),
    ("/cofi.v1.BatchService/ReleaseRecordings", Least::Operator),
    ("/cofi.v1.BatchService/ApplyLidResults", Least::Operator),
    ("/cofi.v1.CallService/ListCalls", Least::Viewer),
    // It changes nothing, but has every agent read all that it holds.
    ("/cofi.v1.CheckService/Check", Least::Operator),
    ("/cofi.v1.EnrolmentService/Enrol", Least::Anyone),
    ("/cofi.v1.ExplainService/ExplainBatch", Least::Viewer),
    ("/cofi.v1.ExplainService/ExplainRecording", Least::Viewer),
    ("/cofi.v1.ExplainService/ExplainAgent", Least::Viewer),
    ("/cofi.v1.FleetService/ListAgents", Least::Viewer),
    ("/cofi.v1.FleetService/GetAgent", Least::Viewer),
    ("/cofi.v1.FleetService/DrainAgent", Least::Operator),
    ("/cofi.v1.FleetService/ResumeAgent", Least::Operator),
    ("/cofi.v1.FleetService/RemoveAgent", Least::Operator),
    // Load balancers ask it, and have no token.
    ("/grpc.health.v1.Health/Check", Least::Anyone),
    ("/grpc.health.v1.Health/Watch", Least::Viewer),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Least::Viewer),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Least::Viewer),
];

/// Who may make the call at least; none if nobody may.
pub(super) fn least(path: &str) -> Option<Least> {
    CALLS.iter().find(|(call, _)| *call == path).map(|(_, least)| *least)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cofi_proto::pb;
    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    /// The calls of a compiled set of definitions.
    fn defined(descriptors: &[u8]) -> BTreeSet<String> {
        let set = FileDescriptorSet::decode(descriptors).unwrap();
        let mut calls = BTreeSet::new();
        for file in &set.file {
            for service in &file.service {
                for method in &service.method {
                    calls.insert(format!("/{}.{}/{}", file.package(), service.name(), method.name()));
                }
            }
        }
        calls
    }

    #[test]
    fn every_call_that_is_defined_stands_in_the_table_once_and_no_other() {
        let mut calls = defined(pb::DESCRIPTORS);
        calls.extend(defined(tonic_health::pb::FILE_DESCRIPTOR_SET));
        calls.extend(defined(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET));
        calls.extend(defined(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET));
        let table: BTreeSet<String> = CALLS.iter().map(|(call, _)| (*call).to_owned()).collect();
        assert_eq!(table, calls);
        assert_eq!(table.len(), CALLS.len(), "a call stands there twice");
    }

    #[test]
    fn what_does_not_stand_there_nobody_may() {
        for path in [
            "",
            "/",
            "/cofi.v1.BatchService/",
            "/cofi.v1.BatchService/getBatch",
            "/cofi.v1.BatchService/GetBatch/",
        ] {
            assert_eq!(least(path), None, "{path}");
        }
    }
}
