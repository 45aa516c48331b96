"""Which variables of the environment a process that runs other people's native code is given. Pure.

Audio and texts of strangers go through that code: what it does not know, it cannot give away. So the settings, with their
keys, are not for it, nor is anything else of the machine's that it does not need.
"""

import re
from collections.abc import Collection, Mapping

SETTINGS_PREFIX = "VOICETRIO_"

_NEEDED = frozenset(
    """
    PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TERM TMPDIR TEMP TMP VIRTUAL_ENV SYSTEMROOT NO_COLOR FORCE_COLOR
    SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE ESPEAK_DATA_PATH
    """.split()  # noqa: SIM905 - a list of words
)
_NEEDED_PREFIXES = (
    *("LC_", "LD_", "DYLD_", "MALLOC_", "GLIBC_", "XDG_", "PYTHON", "COVERAGE_"),  # the system and the interpreter
    *("CUDA_", "NVIDIA_", "CUDNN_", "CUBLAS_", "NCCL_", "ROCR_", "HIP_", "HSA_"),  # devices
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "BLIS_", "NUMEXPR_", "VECLIB_"),  # threads
    *("CT2_", "ORT_", "ONNX", "HF_", "HUGGINGFACE_", "TORCH_", "PIPER_"),  # what engines are made of
)
"""Of names. None of these says who somebody is, see `_SECRET`."""

_SECRET = re.compile(
    r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH|COOKIE|DSN|CERTIFICATE|PRIVATE|DATABASE|_URL$|_URI$", re.IGNORECASE
)
"""In names: addresses, too, for they often hold passwords."""


def engine_environment(
    environment: Mapping[str, str], *, named: Collection[str] = (), known: bool = True
) -> dict[str, str]:
    """What of this environment goes on to engines.

    `named` are further variables that the operator wants to have passed on, whatever they are called. Of an engine that is
    not `known`, somebody else's, nobody here can say what it needs: it gets all that is neither a setting of ours nor looks
    like a secret.
    """
    return {name: value for name, value in environment.items() if name in named or _passes(name.upper(), known=known)}


def _passes(name: str, *, known: bool) -> bool:
    if name.startswith(SETTINGS_PREFIX) or _SECRET.search(name):
        return False
    return not known or name in _NEEDED or name.startswith(_NEEDED_PREFIXES)
