//! Tokens, names, configurations and lines, as persons and programs write them.

use std::io;

use cofi_fuzz::configuration::ENVIRONMENT;

use super::Corpus;

/// A token of nobody.
pub(super) const JOIN_TOKEN: &str = "cofi1.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8.0123456789abcdef.\
                                     _-8BAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4";
const SECRET: &str = "0123456789abcdef._-8BAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4";

pub(super) fn tokens(corpus: &Corpus) -> io::Result<()> {
    let (operator, viewer) = (format!("cofi1-operator.{SECRET}"), format!("cofi1-viewer.{SECRET}"));
    corpus.add("text", "join", JOIN_TOKEN.as_bytes())?;
    corpus.add("text", "operator", operator.as_bytes())?;
    corpus.add("text", "viewer", viewer.as_bytes())?;
    corpus.add("text", "id", b"0123456789abcdef")?;
    corpus.add("text", "serial", b"4123456789abcdef0123456789abcdef")?;
    corpus.add("text", "role", b"viewer")?;
    corpus.add("text", "cut_off", &JOIN_TOKEN.as_bytes()[..90])?;
    corpus.add("text", "twice", JOIN_TOKEN.repeat(2).as_bytes())?;
    corpus.add("header", "operator", format!("Bearer {operator}").as_bytes())?;
    corpus.add("header", "small_letters", format!("bearer {viewer}").as_bytes())?;
    corpus.add("header", "join", format!("Bearer {JOIN_TOKEN}").as_bytes())?;
    corpus.add("header", "basic", b"Basic dXNlcjpwYXNzd29yZA==")
}

pub(super) fn names(corpus: &Corpus) -> io::Result<()> {
    corpus.add("agent", "usual", b"gpu-01.rack_2")?;
    corpus.add("agent", "longest", "x".repeat(64).as_bytes())?;
    corpus.add("agent", "path", b"../gpu")?;
    for (name, audio) in [
        ("usual", "call 0001.wav"),
        ("accents", "cafe\u{301} É.WAV"),
        ("grows", "\u{fdfa}\u{fb01}ẞ\u{130}.mp3"),
        ("blanks", "a.wav \u{a0}\u{3000}"),
        ("parent", ".."),
        ("slash", "a/b.wav"),
        ("control", "a\nb.wav"),
        ("line_separator", "a\u{2028}b\u{85}.wav"),
        ("backslash", "..\\a.wav"),
    ] {
        corpus.add("recording", name, audio.as_bytes())?;
    }
    for (name, path) in [
        ("usual", "d/e"),
        ("nowhere", "d/f/g"),
        ("file", "a.wav"),
        ("dots", "d/../../secret"),
        ("parent", "parent/secret/below"),
        ("link", "to-secret"),
        ("below", "to-secret/below"),
        ("far", "d/e/far/secret"),
    ] {
        corpus.add("source_folder", name, path.as_bytes())?;
    }
    for (name, host) in [
        ("names", "cofi.example.org,Localhost,10.0.0.1,2001:db8::1"),
        ("wildcard", "*.example.org"),
        ("url", "https://cofi.example.org:7401/"),
        ("address6", "[2001:db8::1]:7401"),
        ("port", "localhost:65536"),
    ] {
        corpus.add("host", name, host.as_bytes())?;
    }
    corpus.add("recording", "longest", format!("{}.wav", "x".repeat(251)).as_bytes())?;
    corpus.add("recording", "too_long", format!("{}.wav", "é".repeat(126)).as_bytes())?;
    for (name, path) in [
        ("usual", "a.wav"),
        ("below", "d/b.wav"),
        ("within", "within.wav"),
        ("up", "up.wav"),
        ("parent", "parent/secret.wav"),
        ("dots", "d/../../secret.wav"),
        ("around", "around.wav"),
        ("absolute", "/etc/hostname"),
        ("far", "d/e/far/secret.wav"),
        ("folder", "folder/secret.wav"),
        ("root", "root/etc/hostname"),
        ("self", "self/self/d/./e/../b.wav"),
    ] {
        corpus.add("source_path", name, path.as_bytes())?;
    }
    Ok(())
}

pub(super) fn configuration(corpus: &Corpus) -> io::Result<()> {
    corpus.add("controller", "nothing", b"")?;
    corpus.add("controller", "all", CONTROLLER.as_bytes())?;
    corpus.add("controller", "texts", CONTROLLER_TEXTS.as_bytes())?;
    corpus.add("controller", "password", b"database_url = \"mysql://cofi:secret@db:3306/calls\"\n")?;
    corpus.add(
        "controller",
        "mysql",
        b"database_url = \"mysql://cofi@db.example.org:3306/calls?ssl-mode=REQUIRED\"\n",
    )?;
    corpus.add("agent", "nothing", b"")?;
    corpus.add("agent", "all", AGENT.as_bytes())?;
    corpus.add("agent", "command", AGENT_COMMAND.as_bytes())?;
    let environment = format!("weight = 7{ENVIRONMENT}{AGENT_ENVIRONMENT}");
    corpus.add("agent", "environment", environment.as_bytes())
}

const CONTROLLER: &str = r#"state_dir = "/var/lib/cofi"
database_url = "sqlite:/var/lib/cofi/cofi.sqlite"
server_names = ["cofi.example.org", "10.0.0.1", "2001:db8::1"]
control_listen = "[::]:7400"
agent_listen = "0.0.0.0:7401"
max_connections = 1024
connections_per_agent = 8
agent_certificate_seconds = 2592000
allowed_roots = ["/", "/tmp"]
replace_after_seconds = 900
release_after_seconds = 86400
log = "info,cofi_controller=debug"
log_format = "json"

[language_aliases]
Klingonese = "tlh"
hinglish = "hinglish"
"#;

const CONTROLLER_TEXTS: &str = r#"state_dir = 'C:\calls'
server_names = "cofi.example.org, localhost"
allowed_roots = "/,/tmp"
log = """warn\
"""
log_format = 'text'
"#;

const AGENT: &str = r#"name = "gpu-01"
controller = "https://cofi.example.org:7401"
data_dir = "/data/cofi"
publish_dir = "/data/calls"
advertise_address = "10.0.0.7"
weight = 100
receive_connections = 2
engine = "builtin"
engine_timeout_seconds = 300
engine_start_timeout_seconds = 120
engine_memory_mib = 1024
engine_attempts = 3
model = "/opt/cofi/models"
onnxruntime_lib = "/opt/cofi/libonnxruntime.so"
workers = 4
candidates = ["en", "hi"]
floor = 0.5
disk_reserve_bytes = 1073741824
result_retention_days = 7
drain_grace_seconds = 30
log = "warn,cofi_agent=debug"
log_format = "json"
"#;

const AGENT_COMMAND: &str = r#"controller = "[2001:db8::1]:7401"
engine = "command"
engine_command = "python3 'my worker.py' --x \"a b\""
candidates = "en, hi,,ta"
floor = 1
"#;

const AGENT_ENVIRONMENT: &str = "COFI_NAME=17
COFI_CONTROLLER=10.0.0.1:7401/
COFI_WEIGHT=8
COFI_FLOOR=0.25
COFI_DISK_RESERVE_BYTES=4294967296
COFI_ENGINE_COMMAND=sh -c 'exec worker'
COFI_CANDIDATES=en,hi
COFI_TEST_MODEL=/m
";

pub(super) fn lines(corpus: &Corpus) -> io::Result<()> {
    corpus.add("worker", "usual", WORKER.as_bytes())?;
    corpus.add("worker", "fatal", b"{\"fatal\":\"no model in models\"}\n")?;
    corpus.add("worker", "foreign", FOREIGN.as_bytes())?;
    corpus.add("worker", "noise", b"Loading model... 100%\n\n{}\n[]\nnull\n{\"id\":\"1/2#1\"}\n")?;
    corpus.add(
        "request",
        "usual",
        br#"{"id":"1/2#1","path":"/data/recordings/1/a.wav","candidates":["en","hi"]}"#,
    )?;
    corpus.add("request", "short", br#"{"id":"1","path":"/a.wav"}"#)?;
    corpus.add("request", "escapes", br#"{"id":"\u00e9\"","path":"/\ud83d\udcde\\.wav"}"#)?;
    for (name, word) in [
        ("code", "en"),
        ("bibliographic", "ger"),
        ("name", "Hindi"),
        ("locale", "zh_Hans_CN"),
        ("charset", "de_DE.UTF-8@euro"),
        ("none", ""),
        ("unknown", "Klingonese"),
    ] {
        corpus.add("language", name, word.as_bytes())?;
    }
    Ok(())
}

const WORKER: &str = r#"{"ready":{"engine":"whisper-lid","device":"cpu","model":"models","note":"CUDA is not used"}}
{"id":"1/2#1","language":"hi","probabilities":[{"language":"hi","probability":0.75},{"language":"en","probability":0.1}],"unrestricted":{"language":"ur","probability":0.5},"duration_seconds":61.25,"processing_seconds":0.7}
{"id":"1/2#1","error":"no sync word","code":"undecodable","class":"recording"}
{"id":"1/2#1","error":"takes more than 1024 MiB","code":"too_much_memory","class":"recording","ends":true}
{"id":"1/2#1","error":"out of memory","class":"engine"}
"#;

const FOREIGN: &str = r#"{"ready":{}}
{"id":"1/2#1","language":"English","duration_seconds":1e2,"x":[1,{"y":null}]}
{"id":"1/3#1","language":"en","duration_seconds":3}
{"id":"1/2#1","error":"?"}"#;
