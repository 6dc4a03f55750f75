use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use cofi_proto::AgentName;
use tempfile::TempDir;

use super::*;
use crate::{
    AGENT_LIFETIME, Authority, CertificateRequest, PrivateKey, ServerNames, TrustBundle,
    token::{AccessToken, Role},
};

const NOW: i64 = 1_800_000_000_000_000;
const DAY: i64 = 86_400_000_000;

fn names() -> ServerNames {
    ServerNames::new(["cofi.example.org"]).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

struct Machine {
    _folder: TempDir,
    path: PathBuf,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/identity");
        Self { _folder: folder, path }
    }

    fn controller(&self) -> ControllerFiles {
        ControllerFiles::open_or_create(&self.path).unwrap()
    }

    fn agent(&self) -> AgentFiles {
        AgentFiles::open_or_create(&self.path).unwrap()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn listing(&self) -> Vec<String> {
        let names =
            fs::read_dir(&self.path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

mod controller {
    use super::*;

    #[test]
    fn the_first_start_makes_everything_and_the_second_nothing() {
        let machine = Machine::new();
        let first = machine.controller().load_or_create(&names(), NOW).unwrap();
        assert_eq!(machine.listing(), ["authority.pem", "ca.pem", "server.pem"]);
        assert_eq!(mode(&machine.path), 0o700);
        for file in machine.listing() {
            assert_eq!(mode(&machine.at(&file)), 0o600, "{file}");
        }
        let second = machine.controller().load_or_create(&names(), NOW + DAY).unwrap();
        assert_eq!(second.authority.key_hash(), first.authority.key_hash());
        assert_eq!(second.trust, first.trust);
        assert_eq!(second.server.serial(), first.server.serial());
    }

    #[test]
    fn the_server_certificate_follows_names_and_time() {
        let machine = Machine::new();
        let load = |names: &ServerNames, now| machine.controller().load_or_create(names, now).unwrap().server;
        let first = load(&names(), NOW);
        let other = ServerNames::new(["gpu.example.org"]).unwrap();
        let renamed = load(&other, NOW);
        assert_ne!(renamed.serial(), first.serial());
        let renewed = load(&other, NOW + 34 * DAY);
        assert_ne!(renewed.serial(), renamed.serial());
        assert_ne!(renewed.key().public_key(), renamed.key().public_key());
        // The clock was wrong when it was issued.
        let earlier = load(&other, NOW);
        assert!(earlier.validity().holds_at(NOW));
        assert_ne!(earlier.serial(), renewed.serial());
        fs::write(machine.at("server.pem"), "damaged").unwrap();
        assert_ne!(load(&other, NOW).serial(), earlier.serial());
    }

    #[test]
    fn what_can_be_made_again_is_made_again() {
        // The first two are first starts that were cut off.
        for lost in [&["ca.pem", "server.pem"][..], &["server.pem"], &["ca.pem"]] {
            let machine = Machine::new();
            let first = machine.controller().load_or_create(&names(), NOW).unwrap();
            for file in lost {
                fs::remove_file(machine.at(file)).unwrap();
            }
            let again = machine.controller().load_or_create(&names(), NOW).unwrap();
            assert_eq!(again.trust, first.trust, "{lost:?}");
            assert_eq!(again.authority.key_hash(), first.authority.key_hash(), "{lost:?}");
        }
    }

    #[test]
    fn a_lost_authority_is_not_replaced_silently() {
        let machine = Machine::new();
        machine.controller().load_or_create(&names(), NOW).unwrap();
        fs::remove_file(machine.at("authority.pem")).unwrap();
        let error = machine.controller().load_or_create(&names(), NOW).unwrap_err();
        assert!(matches!(error, ControllerFilesError::AuthorityLost), "{error}");
    }

    #[test]
    fn the_operators_token_is_found_again() {
        let machine = Machine::new();
        let files = machine.controller();
        assert!(files.operator_token().unwrap().is_none());
        let token = AccessToken::generate(Role::Operator).unwrap();
        files.write_operator_token(&token).unwrap();
        assert_eq!(mode(&machine.at("operator.token")), 0o600);
        let found = ControllerFiles::open(&machine.path).unwrap().operator_token().unwrap().unwrap();
        assert_eq!(found.hash(), token.hash());
        fs::write(machine.at("operator.token"), b"\xff").unwrap();
        assert!(matches!(files.operator_token(), Err(ControllerFilesError::Token(_))));
    }

    #[test]
    fn an_authority_is_changed_in_three_steps() {
        let machine = Machine::new();
        let files = machine.controller();
        let old = files.load_or_create(&names(), NOW).unwrap();
        assert!(matches!(files.install_successor(), Err(ControllerFilesError::NoSuccessor)));

        let both = files.announce_successor(NOW).unwrap();
        assert_eq!(files.announce_successor(NOW).unwrap(), both, "announcing twice is announcing once");
        let during = files.load_or_create(&names(), NOW).unwrap();
        assert_eq!(during.authority.key_hash(), old.authority.key_hash());
        assert_eq!(during.trust.key_hashes().count(), 2);

        let next = fs::read(machine.at("authority.next.pem")).unwrap();
        files.install_successor().unwrap();
        let installed = files.load_or_create(&names(), NOW).unwrap();
        assert_ne!(installed.authority.key_hash(), old.authority.key_hash());
        assert_eq!(installed.trust, both);
        assert_ne!(installed.server.serial(), old.server.serial());
        assert_eq!(installed.server.chain()[1], *installed.authority.certificate());

        // A crash before the successor's file is gone.
        fs::write(machine.at("authority.next.pem"), next).unwrap();
        set_mode(&machine.at("authority.next.pem"), 0o600);
        assert!(matches!(files.install_successor(), Err(ControllerFilesError::NoSuccessor)));
        assert!(!machine.at("authority.next.pem").exists());

        let alone = files.forget_predecessors().unwrap();
        assert_eq!(alone.key_hashes().collect::<Vec<_>>(), [installed.authority.key_hash()]);
        assert_eq!(files.load_or_create(&names(), NOW).unwrap().trust, alone);
    }
}

mod agent {
    use super::*;

    fn name() -> AgentName {
        "gpu-01".parse().unwrap()
    }

    /// What a controller answers to a request for `key`.
    fn answer(authority: &Authority, agent: &str, key: &PrivateKey) -> Answer {
        let request = CertificateRequest::parse(&CertificateRequest::write(key).unwrap()).unwrap();
        let agent = agent.parse().unwrap();
        let issued = authority.issue_agent(&agent, request.public_key(), NOW, AGENT_LIFETIME).unwrap();
        Answer {
            certificate: issued.der,
            trust: TrustBundle::new([authority.certificate().clone()]).unwrap(),
        }
    }

    #[test]
    fn a_machine_joins_and_renews() {
        let (machine, authority) = (Machine::new(), Authority::create(NOW).unwrap());
        let files = machine.agent();
        assert!(files.load().unwrap().is_none());
        let key = files.pending_key().unwrap();
        assert_eq!(machine.agent().pending_key().unwrap().public_key(), key.public_key(), "after a crash");
        let pinned = Some(authority.key_hash());
        files.install(answer(&authority, "gpu-01", &key), &name(), pinned, NOW).unwrap();
        assert_eq!(machine.listing(), ["ca.pem", "identity.pem"]);
        assert_eq!(mode(&machine.at("identity.pem")), 0o600);

        let joined = files.load().unwrap().unwrap();
        assert_eq!(joined.peer.agent, name());
        let next = files.pending_key().unwrap();
        assert_ne!(next.public_key(), key.public_key(), "a renewal has a new key");
        let renewed = files.install(answer(&authority, "gpu-01", &next), &name(), None, NOW).unwrap();
        assert_ne!(renewed.peer.serial, joined.peer.serial);
        assert_eq!(files.load().unwrap().unwrap().peer, renewed.peer);
    }

    #[test]
    fn a_key_that_is_in_use_is_not_asked_for_again() {
        let (machine, authority) = (Machine::new(), Authority::create(NOW).unwrap());
        let files = machine.agent();
        let key = files.pending_key().unwrap();
        let pending = fs::read(machine.at("pending.pem")).unwrap();
        files.install(answer(&authority, "gpu-01", &key), &name(), None, NOW).unwrap();
        fs::write(machine.at("pending.pem"), pending).unwrap();
        set_mode(&machine.at("pending.pem"), 0o600);
        assert_ne!(files.pending_key().unwrap().public_key(), key.public_key());
    }

    #[test]
    fn trust_changes_beside_the_certificate() {
        let machine = Machine::new();
        assert!(AgentFiles::open(&machine.path).unwrap().is_none(), "nothing is made by looking");
        let (agent, old) = (machine.agent(), Authority::create(NOW).unwrap());
        let joined = answer(&old, "gpu-01", &agent.pending_key().unwrap());
        let joined = agent.install(joined, &name(), None, NOW).unwrap();
        let both = joined.trust.with(Authority::create(NOW).unwrap().certificate().clone()).unwrap();
        agent.replace_trust(&both).unwrap();
        let read = AgentFiles::open(&machine.path).unwrap().unwrap().load().unwrap().unwrap();
        assert_eq!((read.trust, read.peer), (both, joined.peer));
    }

    #[test]
    fn one_at_a_time_asks_for_a_certificate() {
        let machine = Machine::new();
        let (agent, person) = (machine.agent(), machine.agent());
        let held = agent.lock().unwrap().unwrap();
        assert!(person.lock().unwrap().is_none());
        assert!(agent.lock().unwrap().is_none());
        drop(held);
        assert!(person.lock().unwrap().is_some());
    }

    #[test]
    fn wrong_answers_are_refused_and_change_nothing() {
        let (machine, authority) = (Machine::new(), Authority::create(NOW).unwrap());
        let files = machine.agent();
        let key = files.pending_key().unwrap();
        let right = || answer(&authority, "gpu-01", &key);
        let refused = |answer, joins, now| match files.install(answer, &name(), joins, now) {
            Err(AgentFilesError::Answer(refused)) => refused,
            other => panic!("{other:?}"),
        };
        let other = Authority::create(NOW).unwrap();

        let wrong = refused(right(), Some(other.key_hash()), NOW);
        assert!(matches!(wrong, AnswerRefused::OtherAuthority), "{wrong}");
        let wrong = refused(answer(&authority, "gpu-02", &key), None, NOW);
        assert!(matches!(wrong, AnswerRefused::OtherAgent { .. }), "{wrong}");
        let wrong = refused(answer(&authority, "gpu-01", &PrivateKey::generate().unwrap()), None, NOW);
        assert!(matches!(wrong, AnswerRefused::Credential(_)), "{wrong}");
        let wrong = refused(Answer { trust: answer(&other, "a", &key).trust, ..right() }, None, NOW);
        assert!(matches!(wrong, AnswerRefused::Unverified(_)), "{wrong}");
        let wrong = refused(right(), None, NOW + 31 * DAY);
        assert!(matches!(wrong, AnswerRefused::Unverified(_)), "{wrong}");
        let server = authority.issue_server(&names(), NOW, AGENT_LIFETIME).unwrap();
        let wrong = refused(Answer { certificate: server.chain()[0].clone(), ..right() }, None, NOW);
        assert!(matches!(wrong, AnswerRefused::NotAnAgent(_)), "{wrong}");

        assert!(files.load().unwrap().is_none());
        assert_eq!(machine.listing(), ["pending.pem"]);
        files.install(right(), &name(), None, NOW).unwrap();
    }
}

mod folder {
    use super::*;

    #[test]
    fn what_others_can_read_is_refused() {
        let machine = Machine::new();
        machine.controller().load_or_create(&names(), NOW).unwrap();
        for (file, mode) in
            [("authority.pem", 0o640), ("authority.pem", 0o604), ("server.pem", 0o620), ("ca.pem", 0o622)]
        {
            set_mode(&machine.at(file), mode);
            let error = machine.controller().load_or_create(&names(), NOW).unwrap_err();
            let open = matches!(error, ControllerFilesError::File(FileError::Open { .. }));
            assert!(open, "{file} {mode:o}: {error}");
            set_mode(&machine.at(file), 0o600);
        }
        set_mode(&machine.at("ca.pem"), 0o644);
        assert!(machine.controller().load_or_create(&names(), NOW).is_ok(), "authorities are no secret");

        set_mode(&machine.path, 0o750);
        let error = ControllerFiles::open_or_create(&machine.path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{} has mode 0750 and is open to others than its owner, expected 0700",
                machine.path.display()
            )
        );
    }

    #[test]
    fn links_and_other_things_are_no_files() {
        let machine = Machine::new();
        machine.controller().load_or_create(&names(), NOW).unwrap();
        let elsewhere = machine.at("elsewhere");
        fs::rename(machine.at("authority.pem"), &elsewhere).unwrap();
        symlink(&elsewhere, machine.at("authority.pem")).unwrap();
        let error = machine.controller().load_or_create(&names(), NOW).unwrap_err();
        assert!(matches!(error, ControllerFilesError::File(FileError::Io { action: "open", .. })), "{error}");
        fs::remove_file(machine.at("authority.pem")).unwrap();
        fs::create_dir(machine.at("authority.pem")).unwrap();
        let error = machine.controller().load_or_create(&names(), NOW).unwrap_err();
        assert!(matches!(error, ControllerFilesError::File(FileError::Kind { .. })), "{error}");
    }

    #[test]
    fn what_an_interrupted_write_left_is_in_nobodys_way() {
        let machine = Machine::new();
        let files = machine.controller();
        fs::write(machine.at(".operator.token.new"), "half a tok").unwrap();
        let token = AccessToken::generate(Role::Operator).unwrap();
        files.write_operator_token(&token).unwrap();
        assert_eq!(machine.listing(), ["operator.token"]);
        assert_eq!(files.operator_token().unwrap().unwrap().hash(), token.hash());
    }

    #[test]
    fn a_write_that_fails_leaves_what_was_there() {
        let machine = Machine::new();
        let files = machine.controller();
        let token = AccessToken::generate(Role::Operator).unwrap();
        files.write_operator_token(&token).unwrap();
        // A folder where the new file would go cannot be unlinked.
        fs::create_dir(machine.at(".operator.token.new")).unwrap();
        let other = AccessToken::generate(Role::Operator).unwrap();
        assert!(matches!(
            files.write_operator_token(&other),
            Err(ControllerFilesError::File(FileError::Io { action: "make", .. }))
        ));
        assert_eq!(files.operator_token().unwrap().unwrap().hash(), token.hash());
    }

    #[test]
    fn a_secret_is_read_from_a_file_of_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "cofi1.x\n").unwrap();
        set_mode(&path, 0o644);
        assert!(matches!(read_secret(&path), Err(FileError::Open { .. })));
        set_mode(&path, 0o400);
        assert_eq!(read_secret(&path).unwrap().as_slice(), b"cofi1.x");
        assert!(matches!(read_secret(folder.path()), Err(FileError::Kind { .. })));
        set_mode(&path, 0o600);
        fs::write(&path, vec![b'x'; 64 * 1024 + 1]).unwrap();
        assert!(matches!(read_secret(&path), Err(FileError::TooLarge { .. })));
    }
}
