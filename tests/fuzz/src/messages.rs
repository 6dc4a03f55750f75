//! Messages of the wire. What is accepted says the same after it was passed on,
//! and names of recordings that agents accept are names and no paths.

use std::{
    fmt::Debug,
    path::{Component, Path},
};

use cofi_proto::{
    DeliveryId, Malformed, RecordingId,
    limits::{MAX_NAME_BYTES, PIECE_BYTES},
    pb::agent as pb,
    receive::{DeliveryReport, Piece, PieceHead, PieceTail},
    session::{Engine, Group, Heartbeat, Held, Hello, Identify, LidResult, Release, ResultReceipt, group},
    verify::{HeldList, ListHeld, Verified, Verify},
};
use prost::Message;

use crate::{Kind, check_words, dispatch, requests};

/// What an input may be.
pub const KINDS: &[Kind] = &[
    ("piece", piece),
    ("from_agent", from_agent),
    ("from_receiver", from_receiver),
    ("from_controller", from_controller),
    ("hello", |bytes| converted::<pb::Hello, Hello>(bytes)),
    ("lid_result", |bytes| converted::<pb::LidResult, LidResult>(bytes)),
    ("held", |bytes| converted::<pb::Held, Held>(bytes)),
    ("delivery_report", |bytes| converted::<pb::DeliveryReport, DeliveryReport>(bytes)),
    ("verified", |bytes| converted::<pb::Verified, Verified>(bytes)),
    ("recording_id", recording_id),
    ("request", requests::check),
];

/// The target.
pub fn check(input: &[u8]) {
    dispatch(KINDS, input);
}

/// Reads a message. What was read is written as what reads back as the same:
/// compared by the bytes, since a NaN does not equal itself.
pub(crate) fn decoded<M: Message + Default>(bytes: &[u8]) -> Option<M> {
    let message = M::decode(bytes).ok()?;
    let written = message.encode_to_vec();
    assert_eq!(written.len(), message.encoded_len());
    let again = M::decode(&*written).expect("what was written");
    assert_eq!(again.encode_to_vec(), written);
    Some(message)
}

/// A domain type is the same after it was a message, over and over.
fn settled<M, T>(message: M) -> Option<T>
where
    M: Message + Default + From<T>,
    T: TryFrom<M, Error = Malformed> + Clone + PartialEq + Debug,
{
    let value = T::try_from(message).inspect_err(|error| check_words(error)).ok()?;
    let written = M::from(value.clone()).encode_to_vec();
    let again = T::try_from(M::decode(&*written).expect("what was written"));
    assert_eq!(again.as_ref(), Ok(&value));
    Some(value)
}

fn converted<M, T>(bytes: &[u8])
where
    M: Message + Default + From<T>,
    T: TryFrom<M, Error = Malformed> + Clone + PartialEq + Debug,
{
    decoded::<M>(bytes).and_then(settled::<M, T>);
}

fn grouped<M, T>(messages: Vec<M>, most: Group, limit: usize)
where
    M: Message + Default + From<T> + Clone,
    T: TryFrom<M, Error = Malformed> + Clone + PartialEq + Debug,
{
    let count = messages.len();
    match group::<M, T>(messages.clone(), most) {
        Ok(values) => {
            assert_eq!(values.len(), count);
            assert!(count <= limit);
        }
        Err(error) => check_words(&error),
    }
    for message in messages {
        settled::<M, T>(message);
    }
}

fn piece(bytes: &[u8]) {
    let Some(message) = decoded::<pb::Piece>(bytes) else { return };
    let Some(piece) = settled::<pb::Piece, Piece>(message) else { return };
    assert!(piece.data.len() <= PIECE_BYTES);
    if let Some(head) = piece.head {
        check_name(&head);
    }
}

/// What an agent accepts as a name is one component of a path, and stays in the
/// folder that it is joined to.
pub(crate) fn check_name(head: &PieceHead) {
    let name = head.audio_name.as_str();
    let mut components = Path::new(name).components();
    assert_eq!(components.next(), Some(Component::Normal(name.as_ref())), "{name:?}");
    assert_eq!(components.next(), None, "{name:?}");
    assert!(name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control), "{name:?}");
    let folder = Path::new("/recordings/1");
    assert_eq!(folder.join(name).parent(), Some(folder));
    assert!(head.recording.batch.0 > 0 && head.recording.ordinal >= 0);
}

fn from_agent(bytes: &[u8]) {
    use pb::from_agent::Message as Up;
    match decoded::<pb::FromAgent>(bytes).and_then(|from| from.message) {
        None => {}
        Some(Up::Hello(hello)) => drop(settled::<_, Hello>(hello)),
        Some(Up::Held(page)) => grouped::<_, Held>(page.recordings, Group::Other, 1_000),
        Some(Up::Heartbeat(heartbeat)) => drop(settled::<_, Heartbeat>(heartbeat)),
        Some(Up::Results(results)) => grouped::<_, LidResult>(results.results, Group::Results, 500),
        Some(Up::Verified(verified)) => grouped::<_, Verified>(verified.recordings, Group::Other, 1_000),
        Some(Up::HeldList(list)) => drop(settled::<_, HeldList>(list)),
        Some(Up::Removed(removed)) => grouped::<_, RecordingId>(removed.recordings, Group::Other, 1_000),
    }
}

fn from_receiver(bytes: &[u8]) {
    use pb::from_receiver::Message as Up;
    match decoded::<pb::FromReceiver>(bytes).and_then(|from| from.message) {
        None | Some(Up::Open(_)) => {}
        Some(Up::Reports(reports)) => {
            reports.reports.into_iter().for_each(|report| drop(settled::<_, DeliveryReport>(report)));
        }
    }
}

fn from_controller(bytes: &[u8]) {
    use pb::from_controller::Message as Down;
    match decoded::<pb::FromController>(bytes).and_then(|from| from.message) {
        None | Some(Down::Welcome(_)) => {}
        Some(Down::Recorded(recorded)) => grouped::<_, RecordingId>(recorded.recordings, Group::Other, 1_000),
        Some(Down::ResultReceipts(receipts)) => {
            grouped::<_, ResultReceipt>(receipts.receipts, Group::Other, 1_000);
        }
        Some(Down::Identify(identify)) => grouped::<_, Identify>(identify.recordings, Group::Other, 1_000),
        Some(Down::Release(release)) => grouped::<_, Release>(release.recordings, Group::Other, 1_000),
        Some(Down::Verify(verify)) => drop(settled::<_, Verify>(verify)),
        Some(Down::ListHeld(list)) => drop(settled::<_, ListHeld>(list)),
    }
}

/// As a message, and as text.
fn recording_id(bytes: &[u8]) {
    converted::<pb::RecordingId, RecordingId>(bytes);
    converted::<pb::Engine, Engine>(bytes);
    converted::<pb::PieceTail, PieceTail>(bytes);
    if let Some(id) = decoded::<pb::DeliveryId>(bytes) {
        let id = DeliveryId::try_from(Some(id)).expect("two numbers");
        assert_eq!(DeliveryId::try_from(Some(id.into())), Ok(id));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.parse::<RecordingId>() {
        Ok(id) => assert_eq!(id.to_string().parse(), Ok(id)),
        Err(error) => check_words(&error),
    }
}
