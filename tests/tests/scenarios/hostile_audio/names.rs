//! Names that are no recorder's, but allowed.

use super::{
    corpus::{Fate, Hostile},
    pieces::{Format, wave_of},
};

pub(super) fn all() -> Vec<Hostile> {
    let silence = wave_of(Format::CALL, &[0; 8_000]);
    [
        "-i.wav",
        "--help.wav",
        "$(reboot) `reboot`; reboot & .wav",
        "%n%s%x {} {0}.wav",
        "'quoted' \"twice\" \\.wav",
        "concat:a|b.wav",
        "http:__127.0.0.1.wav",
        "\u{202e}llac\u{202c}.wav",
        "a\u{301}\u{302}\u{303}\u{304}.wav",
        "\u{1f4de}\u{200d}\u{1f525}.wav",
        "two..dots...wav",
        "NUL.wav",
        "DROP TABLE `call`; --.wav",
        "\u{feff}mark.wav",
    ]
    .map(|name| Hostile::new(name, silence.clone(), Fate::Identified))
    .into()
}
