use super::*;

const RATE: u32 = 8_000;

/// A channel whose samples say which minute they belong to.
fn minutes(range: std::ops::Range<i16>) -> Vec<i16> {
    range.flat_map(|minute| std::iter::repeat_n(minute, 60 * 8_000)).collect()
}

fn collect(channels: &[Vec<i16>]) -> Recording {
    let mut excerpts = Excerpts::new(RATE, channels.len()).unwrap();
    // A prime number of samples at a time, so that pieces and excerpts end at different places.
    let length = channels[0].len();
    for start in (0..length).step_by(1_009) {
        let end = (start + 1_009).min(length);
        let piece: Vec<_> = channels.iter().map(|channel| channel[start..end].to_vec()).collect();
        excerpts.push(&piece).unwrap();
    }
    excerpts.finish()
}

#[test]
fn a_call_that_fits_is_kept_whole() {
    let sound = minutes(0..5);
    let recording = collect(std::slice::from_ref(&sound));
    let length = u64::try_from(sound.len()).unwrap();
    assert_eq!(recording.spans(), [Span { start: 0, end: length }]);
    let all = recording.samples(0, Span { start: 0, end: length });
    assert!(all.iter().zip(&sound).all(|(kept, given)| (kept * 32_768.0 - f32::from(*given)).abs() < 0.1));
    assert!((recording.duration_seconds() - 300.0).abs() < 1e-9);
}

#[test]
fn a_window_may_begin_in_one_excerpt_and_end_in_the_next() {
    let recording = collect(&[minutes(1..4)]);
    let around = Span { start: 60 * 8_000 - 5, end: 60 * 8_000 + 5 };
    let samples: Vec<f32> = recording.samples(0, around).iter().map(|sample| sample * 32_768.0).collect();
    assert_eq!(samples, [1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0]);
}

#[test]
fn of_a_call_of_hours_evenly_spread_excerpts_are_kept() {
    let mut excerpts = Excerpts::new(RATE, 1).unwrap();
    let hours = 5;
    for minute in 0..hours * 60 {
        excerpts.push(&[minutes(minute..minute + 1)]).unwrap();
    }
    let recording = excerpts.finish();
    let kept: usize = recording.kept.iter().map(|excerpt| excerpt.channels[0].len() * 2).sum();
    assert!(kept <= BUDGET_BYTES);
    assert!((recording.duration_seconds() - f64::from(hours) * 3600.0).abs() < 1e-9);
    let spans = recording.spans();
    assert!(spans.len() > 60, "{}", spans.len());
    let gap = spans[1].start - spans[0].start;
    for pair in spans.windows(2) {
        assert_eq!(pair[1].start - pair[0].start, gap);
    }
    for span in spans {
        let minute = span.start / (60 * 8_000);
        let sample = recording.samples(0, Span { start: span.start, end: span.start + 1 })[0] * 32_768.0;
        assert!((f64::from(sample) - f64::from(u32::try_from(minute).unwrap())).abs() < 0.1);
    }
}

#[test]
fn channels_with_the_same_sound_are_one() {
    let left: Vec<i16> = (0..8_000).map(|n| (n % 100) * 50).collect();
    assert_eq!(collect(&[left.clone(), left.clone()]).channels(), 1);
    let right: Vec<i16> = left.iter().map(|sample| sample + 1).collect();
    assert_eq!(collect(&[left.clone(), right]).channels(), 1, "what differs is inaudible");
    assert_eq!(collect(&[left.clone(), vec![0; 8_000]]).channels(), 2);
    let inverted: Vec<i16> = left.iter().map(|sample| -sample).collect();
    assert_eq!(collect(&[left, inverted]).channels(), 2);
}

#[test]
fn more_than_two_channels_are_mixed() {
    let recording = collect(&[vec![300; 100], vec![0; 100], vec![-30; 100]]);
    assert_eq!(recording.channels(), 1);
    let sample = recording.samples(0, Span { start: 0, end: 1 })[0] * 32_768.0;
    assert!((sample - 90.0).abs() < 0.1);
}

#[test]
fn what_is_no_recording_of_speech_is_refused() {
    assert!(matches!(Excerpts::new(0, 1), Err(Unlikely::Rate(0))));
    assert!(matches!(Excerpts::new(u32::MAX, 1), Err(Unlikely::Rate(_))));
    assert!(matches!(Excerpts::new(8_000, 0), Err(Unlikely::NoChannel)));
}

#[test]
fn a_recording_that_never_ends_is_given_up() {
    let mut excerpts = Excerpts::new(2_000, 1).unwrap();
    let hour = vec![0; 2_000 * 3600];
    let pushed = (0..25).find_map(|_| excerpts.push(std::slice::from_ref(&hour)).err());
    assert!(pushed.is_some());
}
