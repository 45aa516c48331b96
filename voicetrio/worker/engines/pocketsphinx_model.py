"""Finding the files of a pocketsphinx model in a folder. Knows names of files, and nothing of decoding.

folder/            such as en-us/: its name begins with the language's tag
  <any>/           the acoustic model: the folder that has `mdef` and `feat.params` (or `folder` itself)
  *.lm.bin | *.lm  the language model; one whose name has "phone" is not meant
  *.dict | *.dic   the pronunciations
"""

from dataclasses import dataclass
from pathlib import Path

from voicetrio.worker.errors import SetupError

# The mean of the cepstra of ordinary speech at ordinary loudness, as published with the en-us model. Decoding that
# starts from it gets first words right that it gets wrong when it starts from the library's own default, "40,3,-1".
USUAL_CMN = "41.00,-5.29,-0.12,5.09,2.48,-4.07,-1.37,-1.78,-5.08,-2.05,-6.45,-1.42,1.17"


@dataclass(frozen=True, slots=True)
class SphinxModel:
    name: str
    language: str
    acoustic: Path
    words: Path
    pronunciations: Path
    usual_cmn: str
    """Where the mean of the cepstra is assumed before there is any audio to compute it from."""


def find_model(folder: Path) -> SphinxModel:
    """Raises:
    SetupError: the folder or a file in it is missing.
    """
    if not folder.is_dir():
        raise SetupError(
            f"stt.model: there is no folder {str(folder)!r}. Leave stt.model empty for the English model that comes "
            "with pocketsphinx, or give the folder of an unpacked model"
        )
    acoustic = next((path for path in (folder, *sorted(folder.iterdir())) if (path / "mdef").is_file()), None)
    if acoustic is None or not (acoustic / "feat.params").is_file():
        raise SetupError(f"stt.model: no acoustic model (a folder with mdef and feat.params) in {str(folder)!r}")
    return SphinxModel(
        name=folder.name,
        language=folder.name.split("-")[0].lower(),
        acoustic=acoustic,
        words=_only(folder, "language model", "*.lm.bin", "*.lm"),
        pronunciations=_only(folder, "pronunciation dictionary", "*.dict", "*.dic"),
        usual_cmn=_cmn_of(acoustic / "feat.params"),
    )


def _only(folder: Path, what: str, *patterns: str) -> Path:
    found = [path for pattern in patterns for path in sorted(folder.glob(pattern)) if "phone" not in path.name]
    if not found:
        raise SetupError(f"stt.model: no {what} ({' or '.join(patterns)}) in {str(folder)!r}")
    return found[0]


def _cmn_of(parameters: Path) -> str:
    for line in parameters.read_text().splitlines():
        name, _, value = line.strip().partition(" ")
        if name == "-cmninit" and value.count(",") > 2:
            return value.strip()
    return USUAL_CMN
