"""Makes the three tiny voices in `piper/`. It needs the package `onnx`, which no test needs:

    python tests/models/make_piper_voice.py

They have the interface of piper's nets and nothing that was learned: a phoneme is a tone, whose pitch is its number. As
in the real ones, lengths follow from `length_scale` through one `Ceil`, and chance comes from `noise_scale` (in the sound)
and `noise_w` (in the lengths). So the real loading code, phonemizer and runtime can be tested with a few kilobytes.

    input int64 [1, n], input_lengths int64 [1], scales float [3] (noise, length, noise_w), sid int64 [1] with speakers
    -> output float [1, 1, 1, samples], and, patched as piper patches voices for alignments: w_ceil float [1, 1, n]
"""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).parent / "piper"
HOP = 16
"""Samples per frame. Smaller than piper's 256, so that rounding up is nothing even at four times the speed."""
PHONEME_FRAMES, PAD_FRAMES = 96.0, 16.0
SYMBOLS = "_^$ !'(),-.:;?abcdefhijklmnopqrstuvwxyzæçðøŋœɐɑɒɔɕəɚɛɜɡɣɨɪɫɬɯɲɹɾʀʁʃʊʌʏʒʔʲˈˌː̩̃θχᵻ0123456789\""  # noqa: RUF001
"""The first three are piper's padding, beginning and end; the others are what espeak-ng writes for English and German."""
SILENT = set("_^$ !'(),-.:;?ˈˌː\"")


def net(rate: int, speakers: int, *, aligned: bool) -> onnx.ModelProto:
    ids = range(len(SYMBOLS))
    constants = {
        "frames_of": np.array([PAD_FRAMES if SYMBOLS[i] in SILENT else PHONEME_FRAMES for i in ids], np.float32),
        "hertz_of": np.array([0.0 if SYMBOLS[i] in SILENT else 200.0 + 15.0 * i for i in ids], np.float32),
        "pitch_of": np.array([1.0 + 0.5 * speaker for speaker in range(speakers)], np.float32),
        "cycle": np.array(2 * np.pi / rate, np.float32),
        "some_sound": np.array(0.02, np.float32),
        "some_rhythm": np.array(0.02, np.float32),
        "hop_row": np.ones((1, HOP), np.float32),
        **{name: np.array(value, np.int64) for name, value in (("i0", 0), ("i1", 1), ("i2", 2))},
        **{name: np.array([value], np.int64) for name, value in (("at0", 0), ("at1", 1), ("last", -1))},
        "flat": np.array([-1], np.int64),
        "row": np.array([1, 1, -1], np.int64),
        "wave": np.array([1, 1, 1, -1], np.int64),
        "f0": np.array(0.0, np.float32),
        "f1": np.array(1.0, np.float32),
    }
    nodes = [
        ("Reshape", ["input", "flat"], "ids"),
        ("Gather", ["scales", "i0"], "noise"),
        ("Gather", ["scales", "i1"], "length"),
        ("Gather", ["scales", "i2"], "noise_w"),
        # How many frames each input has.
        ("Gather", ["frames_of", "ids"], "frames"),
        ("RandomNormalLike", ["frames"], "rhythm"),
        ("Mul", ["noise_w", "some_rhythm"], "rhythm_scale"),
        ("Mul", ["rhythm", "rhythm_scale"], "rhythm_change"),
        ("Exp", ["rhythm_change"], "rhythm_factor"),
        ("Mul", ["frames", "length"], "scaled"),
        ("Mul", ["scaled", "rhythm_factor"], "w"),
        ("Reshape", ["w", "row"], "w_row"),
        ("Ceil", ["w_row"], "w_ceil"),
        # Which input each frame belongs to: the number of inputs that have ended before it.
        ("Reshape", ["w_ceil", "flat"], "counts"),
        ("CumSum", ["counts", "at0"], "ends"),
        ("Gather", ["ends", "last"], "total_1"),
        ("Squeeze", ["total_1"], "total"),
        ("Range", ["f0", "total", "f1"], "clock"),
        ("Unsqueeze", ["clock", "at1"], "clock_column"),
        ("Unsqueeze", ["ends", "at0"], "ends_row"),
        ("LessOrEqual", ["ends_row", "clock_column"], "ended"),
        ("Cast", ["ended"], "ended_number"),
        ("ReduceSum", ["ended_number", "at1"], "owner"),
        # The tone of each frame, its samples, and a wave through them.
        ("Gather", ["hertz_of", "ids"], "hertz"),
        *([("Gather", ["pitch_of", "sid"], "pitch"), ("Mul", ["hertz", "pitch"], "tones")] if speakers > 1 else []),
        ("Gather", ["tones" if speakers > 1 else "hertz", "owner"], "tone"),
        ("Mul", ["tone", "hop_row"], "tone_samples"),
        ("Reshape", ["tone_samples", "flat"], "tone_flat"),
        ("Mul", ["tone_flat", "cycle"], "steps"),
        ("CumSum", ["steps", "at0"], "phase"),
        ("Sin", ["phase"], "sine"),
        ("Sign", ["tone_flat"], "audible"),
        ("Mul", ["sine", "audible"], "voiced"),
        ("RandomNormalLike", ["voiced"], "hiss"),
        ("Mul", ["noise", "some_sound"], "hiss_scale"),
        ("Mul", ["hiss", "hiss_scale"], "hiss_heard"),
        ("Add", ["voiced", "hiss_heard"], "sound"),
        ("Reshape", ["sound", "wave"], "output"),
    ]
    attributes = {"Cast": {"to": TensorProto.INT64}, "ReduceSum": {"keepdims": 1}}
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, [1, "phonemes"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    if speakers > 1:
        inputs.append(helper.make_tensor_value_info("sid", TensorProto.INT64, [1]))
    outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, 1, "samples"])]
    if aligned:
        outputs.append(helper.make_tensor_value_info("w_ceil", TensorProto.FLOAT, [1, 1, "phonemes"]))
    graph = helper.make_graph(
        [helper.make_node(kind, given, [made], **attributes.get(kind, {})) for kind, given, made in nodes],
        "tiny-voice",
        inputs,
        outputs,
        [
            numpy_helper.from_array(value, name)
            for name, value in constants.items()
            if name != "pitch_of" or speakers > 1
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9  # that of opset 17's time: old runtimes read it too
    onnx.checker.check_model(model)
    return model


def write(name: str, rate: int, espeak: str, speakers: tuple[str, ...] = (), *, aligned: bool = False) -> None:
    onnx.save(net(rate, max(1, len(speakers)), aligned=aligned), str(FOLDER / f"{name}.onnx"))
    settings = {
        "audio": {"sample_rate": rate, "quality": name.rpartition("-")[2]},
        "espeak": {"voice": espeak},
        "language": {"code": name.partition("-")[0]},
        "inference": {"noise_scale": 0.667, "length_scale": 1, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "phoneme_map": {},
        "phoneme_id_map": {symbol: [number] for number, symbol in enumerate(SYMBOLS)},
        "num_symbols": len(SYMBOLS),
        "num_speakers": max(1, len(speakers)),
        "speaker_id_map": {speaker: number for number, speaker in enumerate(speakers)},
        "hop_length": HOP,
        "piper_version": "1.0.0",
    }
    text = json.dumps(settings, ensure_ascii=False, indent=1)
    (FOLDER / f"{name}.onnx.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    write("en_US-tone-medium", 22_050, "en-us")
    write("en_GB-timed-medium", 22_050, "en-gb-x-rp", aligned=True)
    write("de_DE-chord-low", 16_000, "de", ("alto", "bass", "tenor"))
