//! A whole call in bounded memory: all of a short one, evenly spread excerpts of a long one.
//!
//! Samples arrive in order and the length is known only at the end, so excerpts are thinned as they come:
//!
//! ```text
//! room for 4:   0 1 2 3           stride 1, full
//!               0   2   4   6     stride 2, full
//!               0       4       8 ...   stride 4
//! ```

/// The length of an excerpt: two windows.
const EXCERPT_SECONDS: u32 = 30;
/// What the excerpts may take: 35 minutes of a telephone call with two channels, 3 of a studio recording.
const BUDGET_BYTES: usize = 64 * 1024 * 1024;
/// Rates that occur in recordings of speech.
const RATES: std::ops::RangeInclusive<u32> = 2_000..=384_000;
/// Longer than any call, short enough to decode in minutes.
const MAX_SECONDS: u64 = 24 * 3600;

#[derive(Debug, thiserror::Error)]
pub(super) enum Unlikely {
    #[error("a rate of {0} samples a second")]
    Rate(u32),
    #[error("no channel")]
    NoChannel,
}

/// The recording exceeds [`MAX_SECONDS`].
#[derive(Debug, thiserror::Error)]
#[error("it is longer than {} hours", MAX_SECONDS / 3600)]
pub(super) struct TooLong;

/// Collects a recording while it is decoded.
#[derive(Debug)]
pub(super) struct Excerpts {
    rate: u32,
    /// As the file has them.
    source_channels: usize,
    /// As they are kept: more than two are mixed into one.
    channels: usize,
    stride: u64,
    most: usize,
    kept: Vec<Excerpt>,
    frames: u64,
    likeness: Likeness,
}

#[derive(Debug)]
struct Excerpt {
    number: u64,
    channels: Vec<Vec<i16>>,
}

/// How much two channels have in common.
#[derive(Debug, Default)]
struct Likeness {
    sum: f64,
    difference: f64,
}

impl Excerpts {
    pub(super) fn new(rate: u32, source_channels: usize) -> Result<Self, Unlikely> {
        if !RATES.contains(&rate) {
            return Err(Unlikely::Rate(rate));
        }
        let channels = match source_channels {
            0 => return Err(Unlikely::NoChannel),
            1 | 2 => source_channels,
            3.. => 1,
        };
        let frames = usize::try_from(rate * EXCERPT_SECONDS).unwrap_or(usize::MAX);
        let most = (BUDGET_BYTES / (frames * channels * size_of::<i16>())).max(2);
        let likeness = Likeness::default();
        Ok(Self { rate, source_channels, channels, stride: 1, most, kept: Vec::new(), frames: 0, likeness })
    }

    pub(super) fn fits(&self, rate: u32, channels: usize) -> bool {
        self.rate == rate && self.source_channels == channels
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// Appends samples, one slice a channel, all of one length.
    pub(super) fn push(&mut self, planes: &[Vec<i16>]) -> Result<(), TooLong> {
        let mixed;
        let planes = if planes.len() > 2 {
            mixed = vec![mix(planes)];
            &mixed
        } else {
            planes
        };
        if let [left, right] = planes {
            self.likeness.add(left, right);
        }
        let length = planes.first().map_or(0, Vec::len);
        let excerpt_frames = u64::from(self.rate * EXCERPT_SECONDS);
        let mut done = 0;
        while done < length {
            let left_in_excerpt = excerpt_frames - self.frames % excerpt_frames;
            let take = usize::try_from(left_in_excerpt).unwrap_or(usize::MAX).min(length - done);
            let number = self.frames / excerpt_frames;
            if number.is_multiple_of(self.stride) {
                self.keep(number, planes, done..done + take);
            }
            done += take;
            self.frames += u64::try_from(take).unwrap_or(u64::MAX);
        }
        if self.frames > MAX_SECONDS * u64::from(self.rate) { Err(TooLong) } else { Ok(()) }
    }

    fn keep(&mut self, number: u64, planes: &[Vec<i16>], range: std::ops::Range<usize>) {
        if self.kept.last().is_none_or(|last| last.number != number) {
            if self.kept.len() >= self.most {
                self.stride *= 2;
                self.kept.retain(|excerpt| excerpt.number.is_multiple_of(self.stride));
                if !number.is_multiple_of(self.stride) {
                    return;
                }
            }
            self.kept.push(Excerpt { number, channels: vec![Vec::new(); self.channels] });
        }
        if let Some(excerpt) = self.kept.last_mut() {
            for (kept, plane) in excerpt.channels.iter_mut().zip(planes) {
                kept.extend(plane.get(range.clone()).unwrap_or_default());
            }
        }
    }

    pub(super) fn finish(mut self) -> Recording {
        if self.channels == 2 && self.likeness.is_one_channel() {
            self.channels = 1;
            for excerpt in &mut self.kept {
                excerpt.channels.truncate(1);
            }
        }
        Recording { rate: self.rate, channels: self.channels, kept: self.kept, frames: self.frames }
    }
}

impl Likeness {
    fn add(&mut self, left: &[i16], right: &[i16]) {
        for (left, right) in left.iter().zip(right) {
            let (left, right) = (f64::from(*left), f64::from(*right));
            self.sum += (left + right).powi(2);
            self.difference += (left - right).powi(2);
        }
    }

    /// Whether the channels carry the same sound: what differs is 40 dB below what they share, as after lossy
    /// coding.
    fn is_one_channel(&self) -> bool {
        self.difference <= self.sum * 1e-4
    }
}

/// The mean of all channels.
fn mix(planes: &[Vec<i16>]) -> Vec<i16> {
    let count = i32::try_from(planes.len()).unwrap_or(i32::MAX).max(1);
    let length = planes.first().map_or(0, Vec::len);
    (0..length)
        .map(|at| {
            let sum: i32 =
                planes.iter().filter_map(|plane| plane.get(at)).map(|sample| i32::from(*sample)).sum();
            i16::try_from(sum / count).unwrap_or_default()
        })
        .collect()
}

/// A decoded recording, as much of it as is kept.
#[derive(Debug)]
pub(crate) struct Recording {
    rate: u32,
    channels: usize,
    kept: Vec<Excerpt>,
    frames: u64,
}

/// A stretch of the recording that is kept without a gap, in samples at the recording's rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Recording {
    /// Samples a second.
    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// One, or two that differ.
    pub(crate) fn channels(&self) -> usize {
        self.channels
    }

    /// The length of the whole recording, kept or not.
    pub(crate) fn duration_seconds(&self) -> f64 {
        let rate = u64::from(self.rate);
        let whole = u32::try_from(self.frames / rate).unwrap_or(u32::MAX);
        let part = u32::try_from(self.frames % rate).unwrap_or_default();
        f64::from(whole) + f64::from(part) / f64::from(self.rate)
    }

    /// What is kept.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for excerpt in &self.kept {
            let start = excerpt.number * u64::from(self.rate * EXCERPT_SECONDS);
            let end = start
                + excerpt.channels.first().map_or(0, |samples| u64::try_from(samples.len()).unwrap_or(0));
            match spans.last_mut().filter(|last| last.end == start) {
                Some(last) => last.end = end,
                None => spans.push(Span { start, end }),
            }
        }
        spans
    }

    /// The samples of one channel in a stretch, from -1 to 1; what is not kept is left out.
    pub(crate) fn samples(&self, channel: usize, span: Span) -> Vec<f32> {
        let mut samples = Vec::new();
        for excerpt in &self.kept {
            let start = excerpt.number * u64::from(self.rate * EXCERPT_SECONDS);
            let kept = excerpt.channels.get(channel).map_or(&[][..], Vec::as_slice);
            let from = offset(span.start, start).min(kept.len());
            let to = offset(span.end, start).min(kept.len());
            samples.extend(kept[from..to].iter().map(|sample| f32::from(*sample) / 32768.0));
        }
        samples
    }
}

fn offset(at: u64, start: u64) -> usize {
    usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
