"""Finds a Whisper model and loads it on its device. Whatever is wrong is told with the setting to change."""

import os
from pathlib import Path

import ctranslate2
import faster_whisper

from voicetrio.worker.engines.contract import HearingSetup
from voicetrio.worker.errors import SetupError

FILES = ("model.bin", "config.json", "tokenizer.json")
"""What a folder must hold; faster-whisper looks for a missing tokenizer in the hub, which is no place for a start-up."""

_CHOSEN_BY_CTRANSLATE2 = ("default", "auto")
"""Names for a type that the library chooses by itself."""


def load(setup: HearingSetup, device_index: int) -> tuple[faster_whisper.WhisperModel, str]:
    """The model and its name for people.

    Raises:
        SetupError: the model is not there or cannot be loaded; it names the setting.
    """
    path, name, device, compute = _choose(setup, device_index)
    try:
        model = faster_whisper.WhisperModel(
            path,
            device=device,
            device_index=device_index if device == "cuda" else 0,
            compute_type=compute,
            cpu_threads=setup.threads or _cores(),
            local_files_only=True,
        )
    except Exception as error:  # whatever the library makes of a broken file, or of a GPU without memory
        raise SetupError(_explain(setup, device, compute, error)) from error
    return model, name


def check(setup: HearingSetup, device_index: int) -> str:
    """The model's name, without loading it. Raises `SetupError` as `load`, for what can be seen so."""
    _, name, device, compute = _choose(setup, device_index)
    known = ctranslate2.get_supported_compute_types(device)
    if compute not in known and compute not in _CHOSEN_BY_CTRANSLATE2:
        raise SetupError(_wrong_compute_type(device, compute))
    return name


def _choose(setup: HearingSetup, device_index: int) -> tuple[str, str, str, str]:
    """Where the model lies, its name for people, the device and how it counts there. Raises `SetupError`."""
    path, name = _find(setup.model)
    device = _device(setup.device)
    if device == "cuda" and not 0 <= device_index < ctranslate2.get_cuda_device_count():
        raise SetupError(
            f"stt.options.device_index: must be 0 to {ctranslate2.get_cuda_device_count() - 1}, as many GPUs are there"
        )
    compute = setup.compute_type if setup.compute_type != "auto" else ("float16" if device == "cuda" else "int8")
    if "bfloat16" in compute:
        # numpy has no such numbers, and encodings pass through it.
        raise SetupError(f"stt.compute_type: {compute!r} is not supported here; use auto, or float16 in its place")
    return path, name, device, compute


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _device(wanted: str) -> str:
    if wanted == "auto":
        return "cuda" if ctranslate2.get_cuda_device_count() > 0 else "cpu"
    if wanted == "cuda" and ctranslate2.get_cuda_device_count() == 0:
        raise SetupError('stt.device: there is no CUDA device that CTranslate2 can use; set "cpu" or "auto"')
    return wanted


def _find(model: str) -> tuple[str, str]:
    """Where the model lies, and its name for people. A name is looked for in the hub's cache, and never fetched here."""
    if not model:
        raise SetupError(
            "stt.model: faster-whisper comes without a model; set a folder with one for CTranslate2, or a name such as "
            f'"small.en" ({", ".join(faster_whisper.available_models())}) or "owner/repository" of the Hugging Face hub'
        )
    folder = Path(model)
    if folder.is_dir():
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise SetupError(
                f"stt.model: the folder {model!r} has no {' and no '.join(missing)}; is it for CTranslate2?"
            )
        return str(folder), folder.resolve().name
    names = faster_whisper.available_models()
    if model not in names and ("/" not in model or model.startswith((".", "/", "~"))):
        raise SetupError(
            f"stt.model: there is no folder {model!r}, and no model of that name; known names: {', '.join(names)}"
        )
    try:
        return faster_whisper.download_model(model, local_files_only=True), model
    except Exception as error:  # of the hub's library, which has a family of them
        raise SetupError(
            f"stt.model: {model!r} is neither a folder here nor in the hub's cache on this machine; fetch it once with: "
            f"python -c 'import faster_whisper; faster_whisper.download_model(\"{model}\")'"
        ) from error


def _explain(setup: HearingSetup, device: str, compute: str, error: Exception) -> str:
    if "compute type" in str(error):
        return _wrong_compute_type(device, compute)
    return f"stt.model: {setup.model!r} cannot be loaded on {device}: {error}"


def _wrong_compute_type(device: str, compute: str) -> str:
    known = ", ".join(sorted(ctranslate2.get_supported_compute_types(device)))
    return f"stt.compute_type: {compute!r} is not possible on {device}; use auto or one of: {known}"
