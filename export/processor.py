"""What this processor has for products of bytes: it decides whether int8 graphs pay here."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Final

CPUINFO: Final = Path("/proc/cpuinfo")


class InstructionSet(StrEnum):
    """The best of them, by the name people know it by."""

    AMX = "AMX"
    AVX512_VNNI = "AVX512-VNNI"
    AVX_VNNI = "AVX-VNNI"
    AVX512 = "AVX512"
    AVX2 = "AVX2"
    NEON_DOT = "NEON dot products"
    OTHER = "no vectors of bytes"

    @property
    def favours_int8(self) -> bool:
        """Whether ONNX Runtime has kernels here that multiply bytes faster than floats."""
        return self is not InstructionSet.OTHER


# As /proc/cpuinfo names them, best first.
FLAGS: Final = {
    "amx_int8": InstructionSet.AMX,
    "avx512_vnni": InstructionSet.AVX512_VNNI,
    "avx_vnni": InstructionSet.AVX_VNNI,
    "avx512bw": InstructionSet.AVX512,
    "avx2": InstructionSet.AVX2,
    "asimddp": InstructionSet.NEON_DOT,
}


def instruction_set(cpuinfo: Path = CPUINFO) -> InstructionSet:
    """The best instruction set of this machine's first processor; AVX2 where Linux's list cannot be read."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return InstructionSet.AVX2
    match = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    flags = set(match[1].split()) if match else set()
    return next((name for flag, name in FLAGS.items() if flag in flags), InstructionSet.OTHER)
