//! Sizes that both ends of the wire agree on.

/// Version of the agent protocol in this build.
pub const PROTOCOL: u32 = 1;

/// Bytes of a recording in one piece. Between 64 KiB and 1 MiB all sizes are
/// alike; 16 KiB is much slower.
pub const PIECE_BYTES: usize = 256 * 1024;

/// Largest message on a Receive stream: a piece, its head and some room.
pub const MAX_PIECE_MESSAGE_BYTES: usize = PIECE_BYTES + 16 * 1024;

/// Largest message anywhere else.
pub const MAX_CONTROL_MESSAGE_BYTES: usize = 1024 * 1024;

/// HTTP/2 frame size that a receiver of recordings allows. The default of
/// 16 KiB costs more than anything else on this path.
pub const RECEIVE_FRAME_BYTES: u32 = 256 * 1024;

/// HTTP/2 flow-control window of a connection that carries recordings, and of
/// its stream.
pub const RECEIVE_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// Most entries in a group or page of the session, except results.
pub const MAX_GROUP: usize = 1_000;

/// Most results in a group: each can carry probabilities and a reason.
pub const MAX_RESULT_GROUP: usize = 500;

/// Most reports in a group of a Receive stream.
pub const MAX_REPORT_GROUP: usize = 1_024;

/// Largest recording.
pub const MAX_RECORDING_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// Longest name of a recording: what agents' disks hold.
pub const MAX_NAME_BYTES: usize = 255;

/// Longest words of a reason that travel: the rest is cut.
pub const MAX_REASON_BYTES: usize = 1_000;

/// Cuts `reason` to [`MAX_REASON_BYTES`], at a character's edge.
#[must_use]
pub fn cut_reason(mut reason: String) -> String {
    if reason.len() > MAX_REASON_BYTES {
        reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
    }
    reason
}
