//! A backup as `docs/operating-mysql.md` has it is a whole database again.

use std::{
    fs::File,
    process::{Command, Stdio},
};

use cofi_mariadb::{PASSWORD, USER};

use crate::{
    driving,
    fingerprint::Fingerprint,
    place::{Place, UNICODE},
};

fn client(program: &str, arguments: &[&str], place: &Place<'_>) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--no-defaults", "--host=127.0.0.1", "--default-character-set=utf8mb4", "-u", USER])
        .arg(format!("--port={}", cofi_mariadb::shared().address().port()))
        .args(arguments)
        .arg(place.database())
        .env("MYSQL_PWD", PASSWORD);
    command
}

#[tokio::test]
async fn restored_backup_is_served_from_as_it_is() {
    let place = Place::production().await;
    place.migrate().await;
    driving::drive(&place).await;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sql");
    let options = ["--single-transaction", "--routines", "--triggers"];
    let mut dump = client("mariadb-dump", &options, &place);
    assert!(dump.stdout(File::create(&path).unwrap()).status().unwrap().success());
    let restored = Place::empty(UNICODE).await;
    let mut restore = client("mariadb", &[], &restored);
    assert!(restore.stdin(File::open(&path).unwrap()).stdout(Stdio::null()).status().unwrap().success());

    // The programs write numbers of single precision with six digits.
    let aside = [("call", "audioDuration"), ("lidStatus", "audioDuration"), ("call", "confidence")];
    let before = Fingerprint::without(&place, &aside).await;
    before.assert_kept_in(&Fingerprint::without(&restored, &aside).await, &[]);
    for table in [
        "cofiBatch",
        "cofiRecording",
        "cofiAgent",
        "cofiEvent",
        "cofiMeta",
        "cofiMigration",
        "cofiReadyCall",
        "cofiToken",
        "cofiAgentCertificate",
        "cofiAudit",
    ] {
        let rows = format!("SELECT * FROM {table} ORDER BY 1, 2");
        assert_eq!(restored.rows(&rows).await, place.rows(&rows).await, "{table}");
    }
    assert_eq!(restored.plan().await.unwrap().steps, []);
    driving::drive(&restored).await;
}
