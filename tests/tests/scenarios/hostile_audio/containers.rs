//! Containers that are deep, endless, or lie about what they hold.

use super::{
    corpus::{Fate, Hostile},
    mp4::{self, Movie},
    pieces::{
        atom, big_chunk, element, flac_head, flac_silence, id3, lying_atom, lying_element, mp3_silence,
        nested, ogg_page,
    },
};

/// Containers in containers. Twice as deep would be no deeper for a parser that
/// recurses: its stack has long ended.
const DEEP: usize = 10_000;

const SEGMENT: &[u8] = b"\x18\x53\x80\x67";
const CLUSTER: &[u8] = b"\x1f\x43\xb6\x75";
const TRACKS: &[u8] = b"\x16\x54\xae\x6b";
const TRACK: &[u8] = b"\xae";
const SIMPLE_TAG: &[u8] = b"\x67\xc8";
const CHAPTER: &[u8] = b"\xb6";

pub(super) fn all() -> Vec<Hostile> {
    [movies(), matroska(), ogg(), flac(), tags(), others()].concat()
}

fn movies() -> Vec<Hostile> {
    let whole = Movie::default();
    let mut files = vec![Hostile::ends("movie.m4a", whole.bytes())];
    for kind in [b"moov", b"trak", b"mdia", b"udta", b"meta", b"ilst", b"moof"] {
        let deep = nested(DEEP, Vec::new(), |inner| atom(kind, inner));
        let name = String::from_utf8_lossy(kind).into_owned();
        files.push(Hostile::new(
            format!("{name} in {name}.m4a"),
            [mp4::file_type(), deep].concat(),
            Fate::Fails("undecodable"),
        ));
    }
    for says in [0, 1, 2, 7, 8, 9, 0x7fff_ffff, u32::MAX] {
        let short = [mp4::file_type(), lying_atom(b"moov", says, &whole.tracks())].concat();
        files.push(Hostile::ends(format!("moov size {says:08x}.m4a"), short));
    }
    for (what, movie) in [
        ("samples without end", Movie { sample_count: u32::MAX, ..whole }),
        ("samples of nothing", Movie { sample_size: 0, sample_count: 1 << 30, ..whole }),
        ("samples too large", Movie { sample_size: u32::MAX, sample_count: 3, ..whole }),
        ("table without end", Movie { table_entries: u32::MAX, ..whole }),
        ("no time", Movie { timescale: 0, ..whole }),
        ("samples elsewhere", Movie { offset: u32::MAX, ..whole }),
        ("samples are the header", Movie { offset: 0, ..whole }),
        ("alac frames without end", Movie { frame_length: u32::MAX, ..whole }),
        ("alac frames of 2 GB", Movie { frame_length: 1 << 29, ..whole }),
        ("alac frames of nothing", Movie { frame_length: 0, ..whole }),
        ("255 channels", Movie { channels: 255, ..whole }),
        ("no channels", Movie { channels: 0, ..whole }),
        ("no rate", Movie { rate: 0, ..whole }),
        ("fastest rate", Movie { rate: u32::MAX, ..whole }),
    ] {
        files.push(Hostile::ends(format!("movie with {what}.m4a"), movie.bytes()));
    }
    let crowd = [mp4::file_type(), atom(b"moov", &atom(b"trak", &[]).repeat(20_000))].concat();
    files.push(Hostile::new("20000 tracks.m4a", crowd, Fate::Fails("undecodable")));
    let free = [mp4::file_type(), atom(b"free", &[]).repeat(50_000)].concat();
    files.push(Hostile::new("50000 free atoms.m4a", free, Fate::Fails("undecodable")));
    files
}

fn matroska() -> Vec<Hostile> {
    let head = element(b"\x1a\x45\xdf\xa3", &element(b"\x42\x82", b"webm"));
    let mut files = Vec::new();
    for (what, id) in [
        ("segments", SEGMENT),
        ("clusters", CLUSTER),
        ("tracks", TRACKS),
        ("tags", SIMPLE_TAG),
        ("chapters", CHAPTER),
    ] {
        let deep = nested(DEEP, Vec::new(), |inner| element(id, inner));
        let file = [head.clone(), element(SEGMENT, &deep)].concat();
        files.push(Hostile::new(format!("{what} in {what}.mka"), file, Fate::Fails("undecodable")));
    }
    for says in [0, 1, 1 << 40, (1 << 56) - 2, (1 << 56) - 1] {
        let track = lying_element(TRACK, says, &element(b"\x86", b"A_PCM/INT/LIT"));
        let file = [head.clone(), element(SEGMENT, &element(TRACKS, &track))].concat();
        files.push(Hostile::ends(format!("track of {says:x}.webm"), file));
        files.push(Hostile::ends(format!("segment of {says:x}.mka"), lying_element(SEGMENT, says, &head)));
        let both = [head.clone(), lying_element(SEGMENT, says, &[0xec; 100])].concat();
        files.push(Hostile::ends(format!("void of {says:x}.mka"), both));
    }
    let tracks = element(TRACKS, &element(TRACK, &element(b"\xd7", &[1])).repeat(20_000));
    let file = [head, element(SEGMENT, &tracks)].concat();
    files.push(Hostile::ends("20000 tracks.mka", file));
    files
}

fn ogg() -> Vec<Hostile> {
    let vorbis: &[u8] = b"\x01vorbis\0\0\0\0\x01\x40\x1f\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xb8\x01";
    let opus: &[u8] = b"OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0";
    let begins = |serial: u32, packet: &[u8]| ogg_page(serial, 0, 2, 0, &[packet]);
    let crowd: Vec<u8> = (0..5_000).flat_map(|serial| begins(serial, vorbis)).collect();
    let opus_crowd: Vec<u8> = (0..5_000).flat_map(|serial| begins(serial, opus)).collect();
    let circle: Vec<u8> =
        (0..2_000).flat_map(|_| ogg_page(7, 1, 1, u64::MAX, &[&b"\x05"[..]; 200])).collect();
    let loudest = [&vorbis[..11], &[255], &u32::MAX.to_le_bytes()[..], &vorbis[16..]].concat();
    vec![
        Hostile::ends("5000 streams.ogg", crowd),
        Hostile::ends("5000 streams.opus", opus_crowd),
        Hostile::ends("one page again and again.ogg", [begins(7, vorbis), circle].concat()),
        Hostile::ends("vorbis of 255 channels.ogg", begins(1, &loudest)),
        Hostile::ends("only a head.ogg", begins(1, vorbis)),
        Hostile::ends("only a head.opus", begins(1, opus)),
        Hostile::ends("page of a wrong sum.ogg", [&b"OggS\0\x02"[..], &[0xa5; 200]].concat()),
        Hostile::ends("capture pattern again and again.ogg", b"OggS".repeat(10_000)),
    ]
}

fn flac() -> Vec<Hostile> {
    let frame = flac_silence(0, 4_096);
    let pictures = [&b"fLaC"[..], &b"\x06\0\0\0".repeat(20_000)].concat();
    let endless = [&b"fLaC\0\0\0\x22"[..], &[0xff; 34], b"\x04\xff\xff\xff", &[0xff; 2_000]].concat();
    vec![
        Hostile::ends("of no samples.flac", [flac_head(8_000, 4_096, 0), frame.clone()].concat()),
        Hostile::ends("of all samples.flac", [flac_head(8_000, 4_096, u64::MAX), frame.clone()].concat()),
        Hostile::new(
            "no rate.flac",
            [flac_head(0, 4_096, 0), frame.clone()].concat(),
            Fate::Fails("undecodable"),
        ),
        Hostile::ends("no block.flac", [flac_head(8_000, 0, 4_096), frame.clone()].concat()),
        Hostile::ends(
            "one frame again and again.flac",
            [flac_head(8_000, 4_096, 0), frame.repeat(500)].concat(),
        ),
        Hostile::ends("20000 pictures.flac", pictures),
        Hostile::ends("comment of 16 MB.flac", endless),
        Hostile::ends(
            "sync again and again.flac",
            [flac_head(8_000, 4_096, 0), b"\xff\xf8".repeat(20_000)].concat(),
        ),
    ]
}

fn tags() -> Vec<Hostile> {
    let sound = mp3_silence(60);
    let ape = |size: u32, count: u32| {
        let footer = [b"APETAGEX", &2_000_u32.to_le_bytes()[..], &size.to_le_bytes(), &count.to_le_bytes()];
        [&sound[..], &footer.concat(), &[0; 12]].concat()
    };
    let frame = [&b"TXXX\0\0\0\x7f\0\0\x03"[..], &[b'a'; 126]].concat();
    let mut files = vec![
        Hostile::ends("silence.mp3", sound.clone()),
        Hostile::ends("tag of 256 MB.mp3", [id3(0x0fff_ffff, &[]), sound.clone()].concat()),
        Hostile::ends("tag of nothing.mp3", [id3(0, &[]), sound.clone()].concat()),
        Hostile::ends("tag of more than there is.mp3", id3(5_000, &frame)),
        Hostile::ends(
            "1000 frames in a tag.mp3",
            [id3(137_000, &frame.repeat(1_000)), sound.clone()].concat(),
        ),
        Hostile::ends("500 tags.mp3", [id3(0, &[]).repeat(500), sound.clone()].concat()),
        Hostile::ends("only tags.mp3", id3(0, &[]).repeat(5_000)),
        Hostile::ends("sync again and again.mp3", b"\xff\xfb\x90\x64".repeat(5_000)),
        Hostile::ends("sync of adts.aac", b"\xff\xf1\x50\x80\x00\x1f\xfc".repeat(3_000)),
    ];
    for (size, count) in [(u32::MAX, u32::MAX), (32, u32::MAX), (u32::MAX, 1), (0, 0)] {
        files.push(Hostile::ends(format!("ape tag {size:x} {count:x}.mp3"), ape(size, count)));
    }
    // A header of the kind that says how long the whole is: for ever.
    let mut xing = sound;
    xing[21..37].copy_from_slice(b"Xing\0\0\0\x03\xff\xff\xff\xff\xff\xff\xff\xff");
    files.push(Hostile::ends("xing says for ever.mp3", xing));
    files
}

fn others() -> Vec<Hostile> {
    let aiff = |rate: &[u8], frames: u32, channels: u16| {
        let common = [&channels.to_be_bytes()[..], &frames.to_be_bytes(), b"\0\x10", rate].concat();
        let sound = big_chunk(b"SSND", &[&[0; 8][..], &[1; 8_000]].concat());
        big_chunk(b"FORM", &[b"AIFF", &big_chunk(b"COMM", &common)[..], &sound].concat())
    };
    let caf = |data: i64, packets: i64| {
        let described =
            [&8_000_f64.to_be_bytes()[..], b"lpcm\0\0\0\x02\0\0\0\x02\0\0\0\x01\0\0\0\x01\0\0\0\x10"]
                .concat();
        let table = [&packets.to_be_bytes()[..], &packets.to_be_bytes(), &[0; 8]].concat();
        [
            b"caff\0\x01\0\0desc\0\0\0\0\0\0\0\x20",
            &described[..],
            b"pakt\0\0\0\0\0\0\0\x18",
            &table,
            b"data",
            &data.to_be_bytes(),
            &[1; 8_000],
        ]
        .concat()
    };
    let eight_thousand = b"\x40\x0b\xfa\0\0\0\0\0\0\0";
    vec![
        Hostile::ends("usual.aiff", aiff(eight_thousand, 4_000, 1)),
        Hostile::ends("frames without end.aiff", aiff(eight_thousand, u32::MAX, 1)),
        Hostile::ends("no channels.aiff", aiff(eight_thousand, 4_000, 0)),
        Hostile::ends("all channels.aiff", aiff(eight_thousand, 4_000, u16::MAX)),
        Hostile::ends("rate of no number.aiff", aiff(&[0xff; 10], 4_000, 1)),
        Hostile::ends("rate of nothing.aiff", aiff(&[0; 10], 4_000, 1)),
        Hostile::ends("to the end.caf", caf(-1, 0)),
        Hostile::ends("data of everything.caf", caf(i64::MAX, 0)),
        Hostile::ends("data of less than nothing.caf", caf(i64::MIN, 0)),
        Hostile::ends("packets without end.caf", caf(8_004, i64::MAX)),
        Hostile::ends("packets below nothing.caf", caf(8_004, -1)),
        Hostile::ends("says everything.au", [&b".snd"[..], &[0xff; 400]].concat()),
        Hostile::ends("no voice.amr", [&b"#!AMR\n"[..], &[0x7c; 4_000]].concat()),
        Hostile::ends("gsm of nothing.gsm", vec![0xd0; 3_300]),
        Hostile::ends(
            "asf header without end.wma",
            [&b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c"[..], &[0xff; 64]].concat(),
        ),
    ]
}
