//! Reference: `faster_whisper.feature_extractor.FeatureExtractor` 1.2.1 (numpy), given the same samples with
//! `padding=0`.

use super::*;

const FRAMES: usize = 150;

/// One second of a saw and some noise, in integers, so that every language computes the same samples.
fn sound() -> Vec<f32> {
    let mut seed: u32 = 1;
    (0_u16..16_000)
        .map(|n| {
            seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7fff_ffff;
            let noise = i32::try_from(seed >> 16).unwrap() - 16_384;
            let saw = (i32::from(n) * 37) % 400 * 100 - 20_000;
            let sample = (saw + noise.div_euclid(8)).div_euclid(2);
            f32::from(i16::try_from(sample).unwrap()) / 32_768.0
        })
        .collect()
}

fn check(n_mels: u16, values: &[(usize, usize, f32)], mean: f64) {
    let features = Mel::new(n_mels).features(&sound(), FRAMES).unwrap();
    assert_eq!(features.len(), usize::from(n_mels) * FRAMES);
    for (row, frame, wanted) in values {
        let found = features[row * FRAMES + frame];
        assert!((found - wanted).abs() < 2e-4, "row {row}, frame {frame}: {found} for {wanted}");
    }
    let count = u32::try_from(features.len()).unwrap();
    let found = features.iter().map(|level| f64::from(*level)).sum::<f64>() / f64::from(count);
    assert!((found - mean).abs() < 1e-5, "mean {found} for {mean}");
}

#[test]
fn features_are_those_of_whisper_base() {
    let values = [
        (0, 0, 0.61750),
        (0, 50, 0.48932),
        (5, 3, 0.50995),
        (12, 99, 0.37306),
        (40, 0, 0.49861),
        (40, 60, 0.65091),
        (79, 10, 0.51348),
        (79, 98, 0.48119),
        (20, 100, 0.43883),
        (20, 101, -0.08669),
        (33, 149, -0.78090),
    ];
    check(80, &values, 0.110_066_240_6);
}

#[test]
fn features_are_those_of_whisper_large_v3() {
    let values = [
        (0, 0, 0.54174),
        (0, 50, 0.41356),
        (5, 3, 0.30875),
        (12, 99, 0.41733),
        (40, 0, 0.74047),
        (40, 60, 0.45599),
        (127, 10, 0.48311),
        (127, 98, 0.45689),
        (20, 100, 0.38434),
        (20, 101, -0.12699),
        (33, 149, -0.74236),
    ];
    check(128, &values, 0.103_696_808);
}

#[test]
fn silence_and_too_little_sound_have_features_too() {
    let mut mel = Mel::new(80);
    for sound in [vec![], vec![0.0; 3], vec![0.0; 50_000]] {
        let features = mel.features(&sound, 100).unwrap();
        assert!(features.iter().all(|level| (*level - -1.5).abs() < 1e-6));
    }
}

#[test]
fn what_exceeds_the_window_is_not_heard() {
    let mut mel = Mel::new(80);
    let mut longer = sound();
    let cut = mel.features(&longer[..8_000], 50).unwrap();
    longer.truncate(12_000);
    assert_eq!(mel.features(&longer, 50).unwrap(), cut);
}
