//! Names and paths that come from outside: what the controller plans agents
//! take, and nothing leads out of the folder that it belongs in.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, symlink},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use cofi_agent::{config::ControllerAddress, fuzz::Shelf};
use cofi_controller::{
    ledger::{NameColumns, PlannedRecording},
    name::name_key,
    plan::{self, is_audio, objection},
    source::SourceFile,
};
use cofi_identity::{Authority, SERVER_LIFETIME, ServerNames};
use cofi_proto::{AgentName, BatchId, Malformed, RecordingId, pb::agent as pb, receive::PieceHead};
use tempfile::TempDir;

use crate::{Kind, check_words, dispatch, messages::check_name};

/// What an input may be.
pub const KINDS: &[Kind] = &[
    ("agent", agent),
    ("recording", recording),
    ("source_path", source_path),
    ("host", host),
    ("source_folder", source_folder),
];

/// A moment at which certificates are issued, in microseconds since 1970.
const NOW: i64 = 1_800_000_000_000_000;

/// The target.
pub fn check(input: &[u8]) {
    dispatch(KINDS, input);
}

/// The name of an agent stands in URIs, logs, file names and on command lines.
fn agent(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.parse::<AgentName>() {
        Ok(name) => {
            assert_eq!((name.as_str(), name.to_string().as_str()), (text, text));
            assert!(text.len() <= 64 && !text.starts_with(['.', '-']));
            assert!(text.chars().all(|c| c.is_ascii_graphic() && !"/\\:%?#'\"$`*".contains(c)), "{text}");
        }
        Err(error) => check_words(&error),
    }
}

/// The name of a recording, as it is found in a source, goes to an agent, and
/// is joined to a path there.
fn recording(bytes: &[u8]) {
    let Ok(name) = std::str::from_utf8(bytes) else { return };
    check_key(name);
    let head = accepted(name);
    if may_be_found(name)
        && is_audio(Path::new(name))
        && objection(name, "", &NameColumns::default()).is_none()
    {
        assert!(head.is_ok(), "planned, and refused by every agent: {head:?}");
    }
    match head {
        Ok(head) => {
            check_name(&head);
            check_stored(&head);
        }
        Err(error) => check_words(&error),
    }
}

/// Whether a folder can have such an entry that the controller looks at.
fn may_be_found(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0'])
}

/// What an agent makes of a piece with this name.
fn accepted(name: &str) -> Result<PieceHead, Malformed> {
    let recording = Some(RecordingId { batch: BatchId(1), ordinal: 0 }.into());
    pb::PieceHead { recording, audio_name: name.to_owned(), round: 1, ..pb::PieceHead::default() }.try_into()
}

/// Names are compared by a key that fits its column, and that is its own key.
fn check_key(name: &str) {
    let key = name_key(name);
    assert!(key.chars().count() <= 255, "{key:?}");
    assert_eq!(name_key(&key), key, "the key of a key");
    assert_eq!(name_key(&format!("{name}  ")), key, "blanks at the end");
    assert_eq!(name_key(&name.to_ascii_uppercase()), key, "capital letters");
}

/// The recording gets its place below its batch's folder, under just this name.
/// The disk may still refuse a name, as file systems that tell no case from
/// another do.
fn check_stored(head: &PieceHead) {
    struct Places {
        shelf: Shelf,
        recordings: PathBuf,
        publish: PathBuf,
        _folder: TempDir,
    }
    static PLACES: OnceLock<Places> = OnceLock::new();
    let places = PLACES.get_or_init(|| {
        let folder = TempDir::new().expect("a folder");
        let (data, publish) = (folder.path().join("data"), folder.path().join("publish"));
        fs::create_dir(&publish).expect("a folder");
        let shelf = Shelf::open(&data, &publish).expect("a store");
        let recordings = data.join("recordings").canonicalize().expect("a folder");
        Places { shelf, recordings, publish, _folder: folder }
    });
    let batch = places.recordings.join(head.recording.batch.to_string());
    let stored = places.shelf.store(head, |path| {
        assert_eq!(path, batch.join(&head.audio_name));
        let (real, parent) = (path.canonicalize().expect("a file"), batch.canonicalize().expect("a folder"));
        assert_eq!((real.parent(), parent.as_path()), (Some(parent.as_path()), batch.as_path()));
        for folder in [&batch, &places.publish] {
            assert_eq!(entries(folder), [head.audio_name.as_str()]);
        }
    });
    stored.expect("a place for a name that is accepted");
    assert!(entries(&batch).is_empty() && entries(&places.publish).is_empty(), "something is left");
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect()
}

/// Whatever is accepted as the name of a controller's machine can stand in its
/// certificate, and whatever can be dialled is written as it was meant.
fn host(bytes: &[u8]) {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    let authority = AUTHORITY.get_or_init(|| Authority::create(NOW).expect("a new authority"));
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match ServerNames::new(text.split(',')) {
        Ok(names) => {
            let server = authority.issue_server(&names, NOW, SERVER_LIFETIME).expect("a certificate");
            assert_eq!(server.chain().len(), 2);
            let written = names.to_string();
            assert_eq!(ServerNames::new(written.split(", ")), Ok(names));
        }
        Err(error) => check_words(&error),
    }
    match text.parse::<ControllerAddress>() {
        Ok(address) => {
            assert_eq!(address.to_string().parse(), Ok(address.clone()));
            assert_eq!(address.url().parse(), Ok(address.clone()));
            assert!(address.port() > 0 && !address.host().contains(['/', '@', '[', ']']), "{address}");
        }
        Err(error) => check_words(&error),
    }
}

/// A path that a manifest holds never leads out of its source, whatever links
/// lie there: the one file outside has a size and a time that no other has, and
/// nothing of that kind is ever opened.
fn source_path(bytes: &[u8]) {
    struct Source {
        root: String,
        secret: PlannedRecording,
        inside: PlannedRecording,
        _folder: TempDir,
    }
    static SOURCE: OnceLock<Source> = OnceLock::new();
    let source = SOURCE.get_or_init(|| {
        let folder = TempDir::new().expect("a folder");
        let root = links(folder.path());
        let secret = planned(&folder.path().join("secret.wav"));
        let inside = planned(&root.join("a.wav"));
        let root = root.into_os_string().into_string().expect("UTF-8");
        Source { root, secret, inside, _folder: folder }
    });
    let Ok(path) = std::str::from_utf8(bytes) else { return };
    let open = |recording: &PlannedRecording| {
        SourceFile::open(
            &source.root,
            &PlannedRecording { source_path: path.to_owned(), ..recording.clone() },
        )
    };
    assert!(open(&source.secret).is_err(), "{path:?} leads out of its source");
    if path == "a.wav" {
        assert!(open(&source.inside).is_ok());
    }
}

/// The folder of a batch lies below an allowed root; of what lies elsewhere it is
/// not told whether it is there.
fn source_folder(bytes: &[u8]) {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = TempDir::new().expect("a folder");
        fs::create_dir(folder.path().join("secret")).expect("a folder");
        let root = links(folder.path());
        symlink("../secret", root.join("to-secret")).expect("a link");
        symlink("../absent", root.join("to-absent")).expect("a link");
        folder
    });
    let root = folder.path().canonicalize().expect("a folder").join("source");
    let roots = [root.clone()];
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let source = format!("{}/{text}", root.display());
    let refused = match plan::source_folder(&source, &roots) {
        Ok(real) => return assert!(Path::new(&real).starts_with(&root), "{source} leads to {real}"),
        Err(error) => error.to_string(),
    };
    let other = plan::source_folder(&source.replace("secret", "absent"), &roots);
    let other = other.expect_err("what is not there, either").to_string();
    assert_eq!(refused.replace("secret", "absent"), other.replace("secret", "absent"));
}

/// A source full of links, beside a file that it does not hold.
fn links(folder: &Path) -> PathBuf {
    let root = folder.join("source");
    fs::create_dir_all(root.join("d/e")).expect("folders");
    fs::write(folder.join("secret.wav"), [7; 4321]).expect("a file");
    fs::write(root.join("a.wav"), [7; 1]).expect("a file");
    fs::write(root.join("d/b.wav"), [7; 2]).expect("a file");
    let absolute = folder.join("secret.wav");
    for (target, link) in [
        (Path::new("../secret.wav"), "up.wav"),
        (Path::new(".."), "parent"),
        (Path::new("."), "self"),
        (Path::new("d/../../secret.wav"), "around.wav"),
        (Path::new("parent/secret.wav"), "twice.wav"),
        (absolute.as_path(), "absolute.wav"),
        (folder, "folder"),
        (Path::new("/proc/self/root"), "root"),
        (Path::new("a.wav"), "within.wav"),
    ] {
        symlink(target, root.join(link)).expect("a link");
    }
    symlink("../../..", root.join("d/e/far")).expect("a link");
    root
}

/// A file as it stands in a manifest.
fn planned(path: &Path) -> PlannedRecording {
    let metadata = fs::metadata(path).expect("a file");
    PlannedRecording {
        recording: RecordingId { batch: BatchId(1), ordinal: 0 },
        audio_name: "a.wav".to_owned(),
        source_path: String::new(),
        size: metadata.len(),
        mtime: metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
        round: 1,
    }
}
