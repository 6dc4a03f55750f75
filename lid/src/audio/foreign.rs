//! Audio that the decoder here does not read, recognised by its first bytes or its name.
//!
//! Without this a text file and a call in AMR would get the same answer, and worse: the decoder looks for
//! MPEG frames anywhere in a file, and finds some in almost any noise.

use std::path::Path;

/// Bytes that are enough to recognise a format.
pub(super) const HEAD_BYTES: u64 = 64;

/// The codec or container, if it is one of those.
pub(super) fn recognise(head: &[u8], path: &Path) -> Option<&'static str> {
    by_content(head).or_else(|| by_extension(path))
}

fn by_content(head: &[u8]) -> Option<&'static str> {
    let starts: [(&[u8], &str); 10] = [
        (b"#!AMR-WB", "AMR-WB"),
        (b"#!AMR", "AMR"),
        (b".snd", "Sun audio (.au)"),
        (b"\x30\x26\xB2\x75\x8E\x66\xCF\x11", "Windows Media Audio"),
        (b"RIFX", "big-endian RIFF"),
        (b"wvpk", "WavPack"),
        (b"MAC ", "Monkey's Audio"),
        (b"#!SILK_V3", "SILK"),
        (b"\x02#!SILK_V3", "SILK"),
        (b"NIST_1A", "NIST SPHERE"),
    ];
    if let Some((_, name)) = starts.into_iter().find(|(start, _)| head.starts_with(start)) {
        return Some(name);
    }
    // The first packet of an Ogg stream lies behind a page header of 28 bytes and names its codec.
    let packet = head.strip_prefix(b"OggS").and_then(|rest| rest.get(24..))?;
    match packet {
        _ if packet.starts_with(b"OpusHead") => Some("Opus"),
        _ if packet.starts_with(b"Speex   ") => Some("Speex"),
        _ => None,
    }
}

/// Formats without any header, as telephone systems write them.
fn by_extension(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "gsm" => Some("GSM 06.10"),
        "g722" => Some("G.722"),
        "g723" | "g723_1" => Some("G.723.1"),
        "g726" => Some("G.726"),
        "g729" => Some("G.729"),
        "sln" | "sln16" | "raw" | "pcm" => Some("headerless PCM"),
        "ul" | "ulaw" | "al" | "alaw" => Some("headerless G.711"),
        "vox" => Some("Dialogic ADPCM"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_their_first_bytes_whatever_the_name_says() {
        assert_eq!(recognise(b"#!AMR\nxyz", Path::new("a.wav")), Some("AMR"));
        assert_eq!(recognise(b"#!AMR-WB\nxyz", Path::new("a.wav")), Some("AMR-WB"));
        let mut ogg = b"OggS".to_vec();
        ogg.extend([0; 24]);
        let opus = [ogg.as_slice(), b"OpusHead"].concat();
        let vorbis = [ogg.as_slice(), b"\x01vorbis"].concat();
        assert_eq!(recognise(&opus, Path::new("a.ogg")), Some("Opus"));
        assert_eq!(recognise(&vorbis, Path::new("a.ogg")), None);
    }

    #[test]
    fn formats_without_a_header_are_known_by_their_name() {
        assert_eq!(recognise(b"\xd2\xab", Path::new("/calls/a.GSM")), Some("GSM 06.10"));
        assert_eq!(recognise(b"hello, world", Path::new("/calls/a.wav")), None);
        assert_eq!(recognise(b"", Path::new("/calls/a")), None);
    }
}
