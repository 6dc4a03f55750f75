"""What is in a clip, with prompts that are tones, so that each language can be told by its pitch."""

import random
import tempfile
import unittest
from pathlib import Path

import numpy as np
import soundfile

from clips import formats, mix, music, plan
from clips.plan import Format, Opening, Recipe, Wish
from clips.prompts import LONGEST, RATE, SHORTEST, BadPrompts, Prompt, Samples, read

PITCH = {"en": 300, "fr": 700, "ru": 1100}
LANGUAGES = tuple(PITCH)


def tone(language: str, seconds: float) -> Samples:
    time = np.arange(round(seconds * RATE)) / RATE
    wave: Samples = np.round(8000 * np.sin(2 * np.pi * PITCH[language] * time)).astype(np.int16)
    return wave


def prompts() -> dict[str, list[Prompt]]:
    return {
        language: [Prompt(f"p{i}", tone(language, 1.6 + i / 20)) for i in range(60)] for language in LANGUAGES
    }


def spoken(samples: Samples) -> dict[str, float]:
    """Seconds of each language, by the strongest pitch of each tenth of a second."""
    seconds = dict.fromkeys(LANGUAGES, 0.0)
    for frame in samples[: len(samples) // 800 * 800].reshape(-1, 800).astype(np.float64):
        if np.sqrt(np.mean(frame**2)) > 3000:  # more than half of it is spoken
            spectrum = np.abs(np.fft.rfft(frame))
            seconds[min(PITCH, key=lambda lang: -spectrum[PITCH[lang] // 10])] += 0.1
    return seconds


class Mix(unittest.TestCase):
    def make(self, opening: Opening = Opening.NONE, format_: Format = Format.WAV, name: str = "a") -> Samples:
        return mix.samples(Recipe(f"en_{name}.wav", "en", "fr", opening, format_), prompts(), seed=5)

    def test_plain_clip_is_10_to_30_seconds_of_its_language(self) -> None:
        for number in range(20):
            samples = self.make(name=str(number))
            seconds = spoken(samples)
            self.assertTrue(10 <= len(samples) / RATE <= 30, len(samples) / RATE)
            self.assertGreater(seconds["en"], 7)
            self.assertEqual(seconds["fr"] + seconds["ru"], 0)

    def test_same_recipe_and_seed_give_the_same_samples_and_others_do_not(self) -> None:
        np.testing.assert_array_equal(self.make(), self.make())
        self.assertNotEqual(self.make().tobytes(), self.make(name="b").tobytes())

    def test_silence_lasts_40_seconds_before_the_language(self) -> None:
        samples = self.make(Opening.SILENCE)
        self.assertLess(int(np.abs(samples[: 40 * RATE]).max()), 10)
        self.assertGreaterEqual(len(samples), 65 * RATE)
        self.assertGreater(spoken(samples[40 * RATE :])["en"], 18)

    def test_announcement_is_9_seconds_of_the_other_language(self) -> None:
        samples = self.make(Opening.ANNOUNCEMENT)
        before, after = spoken(samples[: 9 * RATE]), spoken(samples[9 * RATE :])
        self.assertGreater(before["fr"], 6)
        self.assertEqual(before["en"], 0)
        self.assertGreater(after["en"], 18)
        self.assertEqual(after["fr"], 0)
        self.assertGreaterEqual(len(samples), 34 * RATE)

    def test_music_lasts_35_seconds_is_heard_throughout_and_is_no_single_tone(self) -> None:
        samples = self.make(Opening.MUSIC)
        seconds = samples[: 34 * RATE].reshape(34, RATE).astype(np.float64)
        self.assertGreater(np.abs(seconds).max(axis=1).min(), 1000)
        strongest = {int(np.abs(np.fft.rfft(second)).argmax()) for second in seconds}
        self.assertGreater(len(strongest), 4)
        self.assertGreater(spoken(samples[35 * RATE :])["en"], 18)

    def test_music_never_clips_and_differs_from_call_to_call(self) -> None:
        played = [music.play(12.0, random.Random(seed)) for seed in range(5)]
        for samples in played:
            self.assertEqual(len(samples), 12 * RATE)
            self.assertLess(int(np.abs(samples.astype(int)).max()), 0.25 * 32767)
        self.assertEqual(len({samples.tobytes() for samples in played}), 5)

    def test_stereo_call_has_one_language_a_channel_and_the_named_one_speaks_more(self) -> None:
        samples = self.make(format_=Format.STEREO)
        left, right = spoken(samples[:, 0]), spoken(samples[:, 1])
        self.assertGreater(left["en"], 2 * right["fr"])
        self.assertGreater(right["fr"], 4)
        self.assertEqual((left["fr"], right["en"]), (0, 0))


class Formats(unittest.TestCase):
    def test_every_format_reads_back_as_what_was_written(self) -> None:
        written = tone("fr", 2.0)
        with tempfile.TemporaryDirectory() as scratch:
            for format_ in Format:
                path = Path(scratch) / f"clip-{format_}"
                formats.write(path, written, format_)
                info = soundfile.info(path)
                back, rate = soundfile.read(path, dtype="int16")
                self.assertEqual((rate, info.channels), (RATE, 1), format_)
                self.assertGreater(spoken(back)["fr"], 1.7, format_)
            kinds = {f: soundfile.info(Path(scratch) / f"clip-{f}").subtype for f in Format}
        self.assertEqual(kinds[Format.GSM], "GSM610")
        self.assertEqual((kinds[Format.MULAW], kinds[Format.ALAW]), ("ULAW", "ALAW"))


class Plan(unittest.TestCase):
    def test_names_begin_with_the_true_language_and_are_unique(self) -> None:
        planned = plan.recipes(Wish(LANGUAGES, 3, 1, hard=True, variants=True))
        self.assertEqual(len({recipe.name for recipe in planned}), len(planned))
        self.assertEqual(len(planned), 3 * (3 + 3 + 8))
        for recipe in planned:
            self.assertTrue(recipe.name.startswith(f"{recipe.language}_"))
            self.assertNotEqual(recipe.other, recipe.language)

    def test_asking_for_more_keeps_what_there_was(self) -> None:
        few = set(plan.recipes(Wish(LANGUAGES, 2, 1, hard=False, variants=False)))
        more = set(plan.recipes(Wish(LANGUAGES, 9, 1, hard=True, variants=True)))
        self.assertLess(few, more)


class Read(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.package = Path(scratch.name)
        self.sounds = self.package / "usr/share/asterisk/sounds/xx"
        (self.sounds / "digits").mkdir(parents=True)

    def write(self, name: str, seconds: float = 2.0, **layout: str) -> None:
        quiet = np.zeros(RATE // 2, np.int16)
        samples = np.concatenate([quiet, tone("en", seconds), quiet])
        soundfile.write(self.sounds / name, samples, RATE, **layout)

    def test_wav_and_bare_gsm_are_read_without_the_silence_around_them(self) -> None:
        self.write("one.wav")
        self.write("two.gsm", format="RAW", subtype="GSM610")
        prompts = read(self.package)
        self.assertEqual([prompt.name for prompt in prompts], ["one", "two"])
        for prompt in prompts:
            self.assertAlmostEqual(prompt.seconds, 2.0, delta=0.25 if prompt.name == "two" else 0.01)
            self.assertGreater(spoken(prompt.samples)["en"], 1.8)

    def test_what_is_no_sentence_is_left_out(self) -> None:
        self.write("sentence.wav")
        self.write("short.wav", SHORTEST - 0.3)
        self.write("long.wav", LONGEST + 1)
        self.write("beep.wav")
        self.write("digits/seven.wav")
        (self.sounds / "notes.txt").write_text("no sound")
        self.assertEqual([prompt.name for prompt in read(self.package)], ["sentence"])

    def test_package_without_prompts_and_file_that_is_no_sound_are_named(self) -> None:
        with self.assertRaisesRegex(BadPrompts, "holds no prompts"):
            read(self.package)
        (self.sounds / "broken.wav").write_text("no sound")
        with self.assertRaisesRegex(BadPrompts, "broken.wav"):
            read(self.package)
