//! From what the model made of some windows to one answer. Pure.

use super::model::Opinion;

/// The probability from which looking further would not change the answer.
const SURE: f64 = 0.85;
/// Seconds of speech without which even a high probability is no certainty.
const SURE_SECONDS: f64 = 3.0;
/// Windows that the model looks at in one channel, at most.
const MOST_LOOKS: usize = 4;
/// A model that gives less than this to "someone speaks" in every window has heard none.
const SOMEONE_SPEAKS: f64 = 0.1;

/// The languages that an answer may be, by their place in the model's list; `None` means all.
pub(crate) type Allowed = Option<Vec<bool>>;

/// What the windows of one channel said, each weighted by its speech.
#[derive(Debug, Clone)]
pub(crate) struct Ballot {
    votes: Vec<f64>,
    weight: f64,
    seconds: f64,
    looks: usize,
    speaks: f64,
}

/// A language by its place in the model's list, and its probability.
pub(crate) type Ranked = (usize, f64);

impl Ballot {
    pub(crate) fn new(languages: usize) -> Self {
        Self { votes: vec![0.0; languages], weight: 0.0, seconds: 0.0, looks: 0, speaks: 0.0 }
    }

    /// Counts what the model made of a window with so many seconds of speech.
    pub(crate) fn add(&mut self, opinion: &Opinion, seconds: f64) {
        let speaks = 1.0 - f64::from(opinion.no_speech);
        let weight = speaks * seconds;
        for (vote, probability) in self.votes.iter_mut().zip(&opinion.probabilities) {
            *vote += weight * f64::from(*probability);
        }
        self.weight += weight;
        self.seconds += seconds;
        self.looks += 1;
        self.speaks = self.speaks.max(speaks);
    }

    /// Counts what another ballot counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (vote, more) in self.votes.iter_mut().zip(&other.votes) {
            *vote += more;
        }
        self.weight += other.weight;
        self.seconds += other.seconds;
        self.looks += other.looks;
        self.speaks = self.speaks.max(other.speaks);
    }

    /// Whether anyone was heard at all.
    pub(crate) fn has_speech(&self) -> bool {
        self.looks > 0 && self.speaks >= SOMEONE_SPEAKS
    }

    /// Whether there is nothing to gain from another window.
    pub(crate) fn is_settled(&self, allowed: &Allowed) -> bool {
        let sure = |(_, probability): &Ranked| *probability >= SURE;
        self.looks >= MOST_LOOKS
            || (self.seconds >= SURE_SECONDS
                && self.has_speech()
                && self.ranking(allowed).first().is_some_and(sure))
    }

    /// The allowed languages with probabilities that add up to one, the likeliest first; empty if none of them
    /// was heard.
    pub(crate) fn ranking(&self, allowed: &Allowed) -> Vec<Ranked> {
        let is_allowed = |at: usize| allowed.as_ref().is_none_or(|allowed| allowed.get(at) == Some(&true));
        let votes = || self.votes.iter().copied().enumerate().filter(|(at, _)| is_allowed(*at));
        let total: f64 = votes().map(|(_, vote)| vote).sum();
        if total <= 0.0 {
            return Vec::new();
        }
        let mut ranking: Vec<Ranked> = votes().map(|(at, vote)| (at, (vote / total).min(1.0))).collect();
        ranking.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        ranking
    }
}

/// What one channel of a call came to.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    pub(crate) ballot: Ballot,
    /// Seconds of speech in it, as far as is known.
    pub(crate) speech: f64,
}

/// Whether channels with speech have different languages, so that it matters who speaks more.
pub(crate) fn disagree(channels: &[Channel], allowed: &Allowed) -> bool {
    let mut languages = channels.iter().filter_map(|channel| language_of(channel, allowed));
    let first = languages.next();
    languages.any(|language| Some(language) != first)
}

/// The ballots of the channels that speak the language in which most is said; `None` if nobody speaks.
pub(crate) fn most_spoken(channels: &[Channel], allowed: &Allowed) -> Option<Ballot> {
    let mut languages: Vec<(usize, f64, Ballot)> = Vec::new();
    for channel in channels {
        let Some(language) = language_of(channel, allowed) else {
            continue;
        };
        match languages.iter_mut().find(|(known, _, _)| *known == language) {
            Some((_, speech, ballot)) => {
                *speech += channel.speech;
                ballot.merge(&channel.ballot);
            }
            None => languages.push((language, channel.speech, channel.ballot.clone())),
        }
    }
    languages.into_iter().max_by(|(_, a, _), (_, b, _)| a.total_cmp(b)).map(|(_, _, ballot)| ballot)
}

/// The likeliest language of a channel in which someone speaks.
fn language_of(channel: &Channel, allowed: &Allowed) -> Option<usize> {
    let ballot = Some(&channel.ballot).filter(|ballot| ballot.has_speech())?;
    ballot.ranking(allowed).first().map(|(language, _)| *language)
}

#[cfg(test)]
mod tests;
