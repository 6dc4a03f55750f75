use proptest::prelude::*;

use super::*;

const EN: usize = 0;
const HI: usize = 1;
const UR: usize = 2;

fn opinion(probabilities: [f32; 3], no_speech: f32) -> Opinion {
    Opinion { probabilities: probabilities.to_vec(), no_speech }
}

fn ballot(opinions: &[([f32; 3], f32, f64)]) -> Ballot {
    let mut ballot = Ballot::new(3);
    for (probabilities, no_speech, seconds) in opinions {
        ballot.add(&opinion(*probabilities, *no_speech), *seconds);
    }
    ballot
}

fn winner(ballot: &Ballot, allowed: &Allowed) -> Option<usize> {
    ballot.ranking(allowed).first().map(|(language, _)| *language)
}

#[test]
fn one_clear_window_settles_it() {
    assert!(ballot(&[([0.95, 0.03, 0.02], 0.0, 12.0)]).is_settled(&None));
}

#[test]
fn a_doubtful_or_short_window_does_not() {
    assert!(!ballot(&[([0.6, 0.3, 0.1], 0.0, 12.0)]).is_settled(&None));
    assert!(!ballot(&[([0.99, 0.01, 0.0], 0.0, 1.0)]).is_settled(&None));
    assert!(!Ballot::new(3).is_settled(&None));
}

#[test]
fn doubt_ends_after_four_windows() {
    let doubt = ([0.4, 0.3, 0.3], 0.0, 12.0);
    assert!(!ballot(&[doubt; 3]).is_settled(&None));
    assert!(ballot(&[doubt; 4]).is_settled(&None));
}

#[test]
fn a_window_counts_by_its_speech() {
    let music_then_hindi = ballot(&[([0.9, 0.1, 0.0], 0.95, 14.0), ([0.1, 0.9, 0.0], 0.02, 10.0)]);
    assert_eq!(winner(&music_then_hindi, &None), Some(HI));
    let announcement_then_hindi = ballot(&[([0.9, 0.1, 0.0], 0.0, 6.0), ([0.1, 0.9, 0.0], 0.0, 15.0)]);
    assert_eq!(winner(&announcement_then_hindi, &None), Some(HI));
}

#[test]
fn candidates_share_the_whole_probability() {
    let urdu_or_hindi = ballot(&[([0.1, 0.3, 0.6], 0.0, 12.0)]);
    let ranking = urdu_or_hindi.ranking(&Some(vec![true, true, false]));
    assert_eq!(ranking.iter().map(|(language, _)| *language).collect::<Vec<_>>(), [HI, EN]);
    assert!((ranking[0].1 - 0.75).abs() < 1e-6);
    assert_eq!(winner(&urdu_or_hindi, &None), Some(UR));
}

#[test]
fn a_model_that_hears_nobody_in_any_window_is_believed() {
    assert!(!ballot(&[([0.9, 0.1, 0.0], 0.97, 3.0), ([0.9, 0.1, 0.0], 0.95, 2.0)]).has_speech());
    assert!(ballot(&[([0.9, 0.1, 0.0], 0.97, 3.0), ([0.9, 0.1, 0.0], 0.5, 2.0)]).has_speech());
    assert!(!Ballot::new(3).has_speech());
}

fn channel(probabilities: [f32; 3], speech: f64) -> Channel {
    Channel { ballot: ballot(&[(probabilities, 0.0, 6.0)]), speech }
}

#[test]
fn the_language_of_a_call_is_the_one_with_most_speech() {
    let agent = channel([0.9, 0.1, 0.0], 20.0);
    let customer = channel([0.1, 0.9, 0.0], 30.0);
    assert!(disagree(&[agent.clone(), customer.clone()], &None));
    let call = most_spoken(&[agent, customer], &None).unwrap();
    assert_eq!(winner(&call, &None), Some(HI));
}

#[test]
fn a_silent_channel_has_no_say() {
    let silent = Channel { ballot: Ballot::new(3), speech: 0.0 };
    let speaking = channel([0.1, 0.9, 0.0], 3.0);
    assert!(!disagree(&[silent.clone(), speaking.clone()], &None));
    assert_eq!(winner(&most_spoken(&[silent.clone(), speaking], &None).unwrap(), &None), Some(HI));
    assert!(most_spoken(&[silent.clone(), silent], &None).is_none());
}

#[test]
fn channels_of_one_language_are_counted_together() {
    let channels = [channel([0.6, 0.4, 0.0], 10.0), channel([0.9, 0.1, 0.0], 10.0)];
    assert!(!disagree(&channels, &None));
    let together = most_spoken(&channels, &None).unwrap().ranking(&None);
    assert!((together[0].1 - 0.75).abs() < 1e-6, "{together:?}");
}

proptest! {
    #[test]
    fn rankings_add_up_and_descend(
        votes in prop::collection::vec(((0.0_f32..1.0, 0.0_f32..1.0, 0.0_f32..1.0), 0.0_f32..1.0, 0.1_f64..15.0), 0..6),
        allowed in prop::option::of(prop::collection::vec(any::<bool>(), 3)),
    ) {
        let votes: Vec<_> = votes.into_iter().map(|((a, b, c), quiet, seconds)| ([a, b, c], quiet, seconds)).collect();
        let ranking = ballot(&votes).ranking(&allowed);
        prop_assert!(ranking.is_sorted_by(|(_, a), (_, b)| a >= b));
        let total: f64 = ranking.iter().map(|(_, probability)| probability).sum();
        prop_assert!(ranking.is_empty() || (total - 1.0).abs() < 1e-9);
        for (language, _) in &ranking {
            prop_assert!(allowed.as_ref().is_none_or(|allowed| allowed[*language]));
        }
    }

    #[test]
    fn the_order_of_the_windows_does_not_matter(
        first in 0.0_f32..1.0, second in 0.0_f32..1.0, quiet in 0.0_f32..0.9, seconds in 1.0_f64..15.0,
    ) {
        let (a, b) = (([first, 1.0 - first, 0.0], quiet, seconds), ([second, 1.0 - second, 0.0], 0.0, 5.0));
        let (there, back) = (ballot(&[a, b]).ranking(&None), ballot(&[b, a]).ranking(&None));
        for (language, probability) in there {
            let other = back.iter().find(|(other, _)| *other == language).map(|(_, probability)| *probability);
            prop_assert!((probability - other.unwrap()).abs() < 1e-9);
        }
    }
}
