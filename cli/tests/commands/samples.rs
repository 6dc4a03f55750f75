//! Answers that are right in every field.

use cofi_proto::pb::v1 as pb;

/// Batch 7 with 400 recordings of which 120 are stored.
pub(crate) fn under_way() -> pb::Batch {
    pb::Batch {
        batch_id: 7,
        batch_date: "23-11-2026".to_owned(),
        source: "/calls".to_owned(),
        state: pb::BatchState::Distributing.into(),
        process_id: 1,
        category_mapping_id: 1,
        audio_endpoint: "file:///calls".to_owned(),
        candidate_languages: vec!["en".to_owned()],
        create_time_micros: 1_795_000_000_000_000,
        counts: Some(pb::BatchCounts {
            recordings: 400,
            bytes: 40_000_000,
            planned: 280,
            stored: 120,
            stored_bytes: 12_300_000,
            lid_pending: 40,
            identified: 80,
            ..pb::BatchCounts::default()
        }),
        languages: vec![pb::LanguageCount { language: "en".to_owned(), recordings: 80 }],
        newest_failures: Vec::new(),
        rates: Some(pb::Rates {
            stored_per_second: 30.0,
            stored_bytes_per_second: 3_100_000.0,
            identified_per_second: 4.0,
        }),
        waiting_for: String::new(),
        released: 0,
        releases_unconfirmed: 0,
        earlier: None,
    }
}

/// Batch 3, which an earlier service wrote, as `GetBatch` tells it.
pub(crate) fn earlier() -> pb::Batch {
    let stage = |stage: &str, status: Option<&str>| pb::StageStatus {
        stage: stage.to_owned(),
        status: status.map(str::to_owned),
    };
    pb::Batch {
        batch_id: 3,
        batch_date: "02-03-2021".to_owned(),
        state: pb::BatchState::Earlier.into(),
        languages: vec![pb::LanguageCount { language: "hi".to_owned(), recordings: 9_000 }],
        earlier: Some(pb::EarlierBatch {
            current: false,
            start_time: Some("2021-03-02 04:05:06".to_owned()),
            stages: vec![
                stage("batchStatus", Some("Complete")),
                stage("lidStatus", Some("InProgress")),
                stage("denoiseStatus", None),
            ],
            calls: Some(10_000),
            identified: Some(9_000),
            lid_pending: Some(1_000),
            distributed: Some(10_002),
            remarks: Some("night shift\u{7}".to_owned()),
        }),
        ..pb::Batch::default()
    }
}

/// The same as `ListBatches` tells it.
pub(crate) fn earlier_in_a_listing() -> pb::Batch {
    let whole = earlier();
    let tables = whole.earlier.expect("what the tables say");
    pb::Batch {
        languages: Vec::new(),
        earlier: Some(pb::EarlierBatch {
            identified: None,
            lid_pending: None,
            distributed: None,
            remarks: None,
            ..tables
        }),
        ..whole
    }
}

/// The same batch with everything identified.
pub(crate) fn complete() -> pb::Batch {
    pb::Batch {
        state: pb::BatchState::Complete.into(),
        counts: Some(pb::BatchCounts {
            recordings: 400,
            bytes: 40_000_000,
            stored: 400,
            stored_bytes: 40_000_000,
            identified: 400,
            ..pb::BatchCounts::default()
        }),
        ..under_way()
    }
}

/// The same batch with one recording that could not be decoded.
pub(crate) fn with_a_failure() -> pb::Batch {
    pb::Batch {
        state: pb::BatchState::CompleteWithFailures.into(),
        counts: Some(pb::BatchCounts {
            identified: 399,
            lid_failed: 1,
            ..complete().counts.expect("counts")
        }),
        newest_failures: vec![pb::Failure {
            ordinal: 12,
            audio_name: "bad\u{1b}[2J.wav".to_owned(),
            code: "undecodable".to_owned(),
            reason: "no audio stream".to_owned(),
        }],
        ..complete()
    }
}

pub(crate) fn recording(ordinal: i64) -> pb::Recording {
    pb::Recording {
        ordinal,
        audio_name: format!("{ordinal}.wav"),
        source_path: format!("day/{ordinal}.wav"),
        size_bytes: 1_000,
        placement: pb::Placement::Stored.into(),
        lid: pb::Lid::Done.into(),
        agent: "gpu-1".to_owned(),
        call_id: ordinal + 1,
        digest: vec![0xab; 16],
        attempts: 0,
        code: String::new(),
        reason: String::new(),
        language: "hi".to_owned(),
        duration_seconds: 12.5,
        release: None,
    }
}

pub(crate) fn call(call_id: i64) -> pb::Call {
    pb::Call {
        call_id,
        batch_id: 7,
        audio_name: format!("{call_id}.wav"),
        audio_url: format!("file:///calls/{call_id}.wav"),
        ip: "10.0.0.5".to_owned(),
        status: "Pending".to_owned(),
        lang: "unknown".to_owned(),
        language_id: 0,
        audio_duration_seconds: 0.0,
    }
}

pub(crate) fn agent(name: &str, state: pb::AgentState) -> pb::Agent {
    pb::Agent {
        name: name.to_owned(),
        advertise_address: "10.0.0.5".to_owned(),
        state: state.into(),
        reason: String::new(),
        version: "0.1.0".to_owned(),
        storage_id: "4f2c1b9e-6d0f-4a59-9a0e-0d7e3f0a1b2c".to_owned(),
        last_seen_micros: 1_795_000_000_000_000,
        weight: 100,
        free_disk_bytes: 5_000_000_000,
        deliveries: 3,
        lid_waiting: 17,
        device: "cuda".to_owned(),
        engine: "whisper-lid".to_owned(),
        since_micros: 0,
        next_probe_micros: 0,
    }
}
