"""Shows that a graph answers as it must before it is written.

Three measures, each of which notices another kind of mistake:
- the graph against the same step in numpy, on the very weights it was made from: a wrong graph;
- against the answers of an independent engine, for weights that are known: wrong weights, a wrong
  reader, or both of the above wrong in the same way;
- int8 against f32: a quantisation that costs too much.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from . import probes, reference
from .errors import CheckFailed
from .precision import Precision
from .weights import Floats, LidWeights

ANSWERS = Path(__file__).with_name("reference-answers.json")

_NUMPY_LIMIT = {Precision.F32: 5e-5, Precision.F16: 2e-2}
"""Largest difference of a probability; whisper-base has 6e-6 and 3e-3."""
_ANSWER_LIMIT = {Precision.F32: 1e-2, Precision.F16: 3e-2, Precision.INT8: 0.15}
"""Largest difference of a probability. Files in f16 and f32 of the same model differ by 1e-3."""
_QUANTISED_LIMIT = 0.15
"""Mean of the largest differences; whisper-base has 0.05."""
_SHORT = ((0, 200), (1, 140))
_SPREAD = ((2, 200), (5, 200), (0, 1500), (1, 1500))


@dataclass(frozen=True)
class Report:
    """What was compared, with the largest difference of a probability in each comparison."""

    numpy_difference: float
    reference: str | None
    reference_difference: float | None
    quantised_difference: float | None


@dataclass(frozen=True)
class _Answer:
    """What the independent engine says of one input: the likeliest languages and their shares."""

    variant: int
    frames: int
    top: list[tuple[str, float]]


class Runner:
    """Runs a graph on the CPU."""

    def __init__(self, model: onnx.ModelProto) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, *mels: Floats) -> tuple[Floats, Floats]:
        """Probabilities [B, languages] and no speech [B, 1] of inputs of one length."""
        probabilities, no_speech = self._session.run(["probs", "no_speech"], {"mel": np.stack(mels)})
        return probabilities, no_speech


def check(
    weights: LidWeights, models: dict[Precision, onnx.ModelProto], precision: Precision, known: bool
) -> Report:
    """Checks the graph of `precision`, and the f32 graph that int8 is made from.

    `known` says that the weights must be among those with reference answers.
    """
    runners = {name: Runner(model) for name, model in models.items()}
    exact = Precision.F16 if precision is Precision.F16 else Precision.F32
    numpy_difference = _against_numpy(weights, runners[exact], exact)
    name, answers = _answers_for(weights)
    if known and name is None:
        raise CheckFailed("the weights are not whisper-base, which their source is to serve")
    differences = [_against_answers(weights, run, which, answers) for which, run in runners.items()]
    quantised = (
        _against_full(weights, runners[Precision.INT8], runners[Precision.F32])
        if precision is Precision.INT8
        else None
    )
    return Report(
        numpy_difference=round(numpy_difference, 6),
        reference=name,
        reference_difference=round(max(differences), 5) if name else None,
        quantised_difference=round(quantised, 4) if quantised is not None else None,
    )


def _against_numpy(weights: LidWeights, run: Runner, precision: Precision) -> float:
    differences = []
    for variant, frames in _SHORT:
        mel = probes.mel(variant, weights.n_mels, frames)
        other = probes.mel(variant + 3, weights.n_mels, frames)
        probabilities, no_speech = run(other, mel)  # a batch, so that mixing its rows shows too
        wanted, wanted_no_speech = reference.answer(weights, mel)
        differences += [*np.abs(probabilities[1] - wanted), abs(no_speech[1, 0] - wanted_no_speech)]
    largest = float(np.max(differences))
    _limit(largest, _NUMPY_LIMIT[precision], f"the {precision} graph differs from numpy")
    return largest


def _answers_for(weights: LidWeights) -> tuple[str | None, list[_Answer]]:
    fingerprint = weights.fingerprint()
    for model in json.loads(ANSWERS.read_text(encoding="utf-8"))["models"]:
        if model["fingerprint"] == fingerprint:
            return model["name"], [_Answer(**answer) for answer in model["answers"]]
    return None, []


def _against_answers(weights: LidWeights, run: Runner, precision: Precision, answers: list[_Answer]) -> float:
    differences = [0.0]
    for answer in answers:
        probabilities = run(probes.mel(answer.variant, weights.n_mels, answer.frames))[0][0]
        said = weights.languages[int(probabilities.argmax())]
        wanted = answer.top[0][0]
        if said != wanted:
            raise CheckFailed(
                f"the {precision} graph takes input {answer.variant}/{answer.frames} for {said!r}, "
                f"the reference for {wanted!r}"
            )
        has = dict(zip(weights.languages, probabilities, strict=True))
        differences += [abs(float(has[language]) - share) for language, share in answer.top]
    largest = float(np.max(differences))
    _limit(largest, _ANSWER_LIMIT[precision], f"the {precision} graph differs from the reference answers")
    return largest


def _against_full(weights: LidWeights, quantised: Runner, full: Runner) -> float:
    differences = []
    for variant, frames in _SPREAD:
        mel = probes.mel(variant, weights.n_mels, frames)
        differences.append(float(np.abs(quantised(mel)[0] - full(mel)[0]).max()))
    mean = float(np.mean(differences))
    _limit(mean, _QUANTISED_LIMIT, "the int8 graph differs from the f32 graph")
    return mean


def _limit(difference: float, limit: float, what: str) -> None:
    if not difference <= limit:  # so that NaN fails too
        raise CheckFailed(f"{what} by {difference:.4g}, at most {limit:g} is accepted")
