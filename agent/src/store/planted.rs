//! What somebody else put where the store works, before it came.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};

use cap_std::{ambient_authority, fs::Dir};
use cofi_proto::Digest;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::{Layout, StoreError, disk::digest_of, publish};
use crate::own;

/// A data folder, and one beside it that is none of the agent's business.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for below in ["data", "outside", "published"] {
            fs::create_dir(folder.path().join(below)).unwrap();
        }
        fs::write(folder.path().join("outside/precious"), "precious").unwrap();
        Self { folder }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Opens the store; does not wait longer than that takes.
    fn open(&self) -> Result<(), StoreError> {
        let (data, publish) = (self.path("data"), self.path("published"));
        in_time(move || Layout::open(&data, Some(&publish)).map(drop))
    }

    fn mode(&self, below: &str, mode: u32) {
        fs::set_permissions(self.path(below), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn untouched(&self) {
        let names: Vec<_> =
            fs::read_dir(self.path("outside")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["precious"]);
        assert_eq!(fs::read_to_string(self.path("outside/precious")).unwrap(), "precious");
    }
}

/// Does what should not block.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, doing) = mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    doing.recv_timeout(Duration::from_secs(20)).expect("it blocks")
}

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[test]
fn a_folder_in_which_others_can_put_things_is_refused() {
    for below in ["data", "data/incoming", "data/recordings"] {
        let scene = Scene::new();
        scene.open().unwrap();
        for mode in [0o777, 0o1777, 0o770, 0o775] {
            scene.mode(below, mode);
            let error = scene.open().unwrap_err();
            assert!(matches!(error, StoreError::Shared { mode: found, .. } if found == mode), "{error}");
            assert!(error.to_string().contains("chmod go-w"), "{error}");
        }
        scene.mode(below, 0o755);
        scene.open().unwrap();
    }
}

#[test]
fn folders_that_lead_elsewhere_are_not_followed() {
    for name in ["incoming", "recordings"] {
        let scene = Scene::new();
        symlink(scene.path("outside"), scene.path("data").join(name)).unwrap();
        let error = scene.open().unwrap_err();
        assert!(matches!(&error, StoreError::Open { path, .. } if path.ends_with(name)), "{error}");
        scene.untouched();
    }
}

#[test]
fn files_that_lead_elsewhere_are_neither_read_nor_written() {
    for name in ["lock", "journal.sqlite"] {
        for target in ["outside/precious", "outside/new"] {
            let scene = Scene::new();
            symlink(scene.path(target), scene.path("data").join(name)).unwrap();
            assert!(scene.open().is_err(), "{name}");
            scene.untouched();
        }
    }
    let scene = Scene::new();
    scene.open().unwrap();
    fs::remove_file(scene.path("data/storage.id")).unwrap();
    symlink(scene.path("outside/precious"), scene.path("data/storage.id")).unwrap();
    assert!(scene.open().is_err());
    scene.untouched();
}

#[test]
fn what_lies_where_a_file_is_to_be_made_is_not_written_to() {
    let scene = Scene::new();
    symlink(scene.path("outside/precious"), scene.path("data/storage.id.new")).unwrap();
    scene.open().unwrap();
    scene.untouched();
    assert!(fs::symlink_metadata(scene.path("data/storage.id")).unwrap().is_file());
}

#[test]
fn pipes_block_nobody() {
    for name in ["lock", "journal.sqlite", "incoming", "recordings"] {
        let scene = Scene::new();
        pipe(&scene.path("data").join(name));
        assert!(scene.open().is_err(), "{name}");
    }
    let scene = Scene::new();
    scene.open().unwrap();
    fs::remove_file(scene.path("data/storage.id")).unwrap();
    pipe(&scene.path("data/storage.id"));
    assert!(scene.open().is_err());
}

#[tokio::test]
async fn the_journals_ballast_does_not_lead_elsewhere() {
    let scene = Scene::new();
    scene.open().unwrap();
    symlink(scene.path("outside/precious"), scene.path("data/journal.ballast")).unwrap();
    let clock = std::sync::Arc::new(cofi_proto::clock::FixedClock(1));
    assert!(crate::journal::Journal::open(&scene.path("data/journal.sqlite"), clock).await.is_err());
    scene.untouched();
}

fn open(path: &Path) -> Dir {
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

/// Puts something at the first path that may have to do with the second.
type Plant = fn(&Path, &Path);

#[test]
fn what_stands_under_a_name_in_publish_dir_stays_whatever_it_is() {
    let content = b"content".as_slice();
    let plants: [(&str, Plant); 7] = [
        ("another file", |path, _| fs::write(path, "c0ntent").unwrap()),
        ("an empty file", |path, _| fs::write(path, "").unwrap()),
        ("a folder", |path, _| fs::create_dir(path).unwrap()),
        ("a pipe", |path, _| pipe(path)),
        ("a link to the same content", |path, other| symlink(other, path).unwrap()),
        ("a link to nothing", |path, _| symlink("/nonexistent", path).unwrap()),
        ("a link to a device", |path, _| symlink("/dev/zero", path).unwrap()),
    ];
    for (what, plant) in plants {
        let scene = Scene::new();
        fs::write(scene.path("data/call.wav"), content).unwrap();
        fs::write(scene.path("outside/precious"), content).unwrap();
        plant(&scene.path("published/call.wav"), &scene.path("outside/precious"));
        let before = fs::symlink_metadata(scene.path("published/call.wav")).unwrap();
        let (publish, from) = (open(&scene.path("published")), open(&scene.path("data")));
        let digest = Digest::of(content);
        let linked = in_time(move || publish::link(&publish, &from, "call.wav", digest));
        let refused = linked.expect_err(what);
        assert_eq!(refused.code, cofi_proto::receive::RefusalCode::NameTaken, "{what}");
        let after = fs::symlink_metadata(scene.path("published/call.wav")).unwrap();
        assert_eq!((before.ino(), before.len()), (after.ino(), after.len()), "{what}");
    }
}

/// As when somebody swaps what lies there between two looks.
#[test]
fn only_files_are_read_and_only_where_they_lie() {
    let scene = Scene::new();
    symlink(scene.path("outside/precious"), scene.path("published/absolute")).unwrap();
    symlink("../outside/precious", scene.path("published/above")).unwrap();
    fs::write(scene.path("published/file"), "file").unwrap();
    symlink("file", scene.path("published/beside")).unwrap();
    symlink("/dev/zero", scene.path("published/device")).unwrap();
    fs::create_dir(scene.path("published/folder")).unwrap();
    pipe(&scene.path("published/pipe"));
    let outside = ["../outside/precious", "/etc/passwd", "folder/../../outside/precious"];
    let planted = ["absolute", "above", "beside", "device", "folder", "pipe"];
    for name in outside.into_iter().chain(planted) {
        let published = open(&scene.path("published"));
        assert!(in_time(move || own::read_in(&published, name).is_err()), "{name}");
    }
    let published = open(&scene.path("published"));
    assert_eq!(digest_of(&published, "file").unwrap(), Digest::of(b"file"));
    for name in planted {
        let opened = own::folder_in(&published, name);
        assert_eq!(opened.is_ok(), name == "folder", "{name}");
    }
}
