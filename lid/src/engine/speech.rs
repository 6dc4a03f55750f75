//! From probabilities of speech to the speech itself. Pure.

use std::ops::Range;

use super::vad::CHUNK;

/// Speech begins at this probability ...
const BEGINS: f32 = 0.5;
/// ... and lasts until it falls below this one, as Silero recommends.
const LASTS: f32 = 0.35;
/// Shorter bursts (a quarter of a second) are clicks and tones.
const SHORTEST: usize = 8;
/// What is kept before and after (a tenth of a second), so that no consonant is lost.
const MARGIN: usize = 3;

/// The chunks in which someone speaks, as ranges in order that neither touch nor overlap.
pub(crate) fn stretches(probabilities: &[f32]) -> Vec<Range<usize>> {
    let mut stretches: Vec<Range<usize>> = Vec::new();
    let mut begun = None;
    // One more chunk, of silence, ends what lasts to the end.
    for (at, probability) in probabilities.iter().copied().chain([0.0]).enumerate() {
        match begun {
            None if probability >= BEGINS => begun = Some(at),
            Some(start) if probability < LASTS => {
                begun = None;
                if at - start >= SHORTEST {
                    add(&mut stretches, start.saturating_sub(MARGIN)..(at + MARGIN).min(probabilities.len()));
                }
            }
            None | Some(_) => {}
        }
    }
    stretches
}

fn add(stretches: &mut Vec<Range<usize>>, next: Range<usize>) {
    match stretches.last_mut().filter(|last| last.end >= next.start) {
        Some(last) => last.end = next.end,
        None => stretches.push(next),
    }
}

/// The sound of these chunks, one after the other.
pub(crate) fn cut(sound: &[f32], stretches: &[Range<usize>]) -> Vec<f32> {
    let mut speech = Vec::new();
    for stretch in stretches {
        let end = (stretch.end * CHUNK).min(sound.len());
        speech.extend(sound.get(stretch.start * CHUNK..end).unwrap_or_default());
    }
    speech
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with_speech(total: usize, speech: Range<usize>) -> Vec<f32> {
        (0..total).map(|at| if speech.contains(&at) { 0.9 } else { 0.1 }).collect()
    }

    #[test]
    fn speech_is_kept_with_a_margin() {
        assert_eq!(stretches(&with_speech(100, 20..50)), vec![17..53]);
        assert_eq!(stretches(&with_speech(100, 0..50)), vec![0..53]);
        assert_eq!(stretches(&with_speech(100, 60..100)), vec![57..100]);
    }

    #[test]
    fn clicks_are_no_speech() {
        assert_eq!(stretches(&with_speech(100, 20..27)), Vec::<Range<usize>>::new());
        assert_eq!(stretches(&[]), Vec::<Range<usize>>::new());
    }

    #[test]
    fn a_moment_of_doubt_does_not_end_a_sentence() {
        let mut probabilities = with_speech(100, 20..50);
        probabilities[30] = 0.4;
        assert_eq!(stretches(&probabilities), vec![17..53]);
    }

    #[test]
    fn the_last_chunk_may_be_short() {
        let sound = vec![1.0; CHUNK * 2 + 10];
        let whole = 0..3;
        assert_eq!(cut(&sound, std::slice::from_ref(&whole)).len(), sound.len());
    }

    proptest! {
        #[test]
        fn stretches_are_in_order_and_apart(probabilities in prop::collection::vec(0.0_f32..1.0, 0..400)) {
            let stretches = stretches(&probabilities);
            for stretch in &stretches {
                prop_assert!(stretch.len() >= SHORTEST && stretch.end <= probabilities.len());
            }
            for pair in stretches.windows(2) {
                prop_assert!(pair[0].end < pair[1].start);
            }
        }
    }
}
