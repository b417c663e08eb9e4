"""The processor's instructions for int8 products. They decide whether int8 graphs are faster."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Final

CPUINFO: Final = Path("/proc/cpuinfo")


class InstructionSet(StrEnum):
    """Instruction sets with their usual names, best first."""

    AMX = "AMX"
    AVX512_VNNI = "AVX512-VNNI"
    AVX_VNNI = "AVX-VNNI"
    AVX512 = "AVX512"
    AVX2 = "AVX2"
    NEON_DOT = "NEON dot products"
    OTHER = "no int8 vector instructions"

    @property
    def favours_int8(self) -> bool:
        """Whether ONNX Runtime has int8 kernels that are faster than float32 on this processor."""
        return self is not InstructionSet.OTHER

    @property
    def adds_bytes_exactly(self) -> bool:
        """Whether sums of two products of bytes cannot saturate, so that 8-bit weights are exact."""
        return self in EXACT


EXACT: Final = (InstructionSet.AMX, InstructionSet.AVX512_VNNI, InstructionSet.AVX_VNNI, InstructionSet.NEON_DOT)
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
    """Return the best instruction set of the first processor, or AVX2 if /proc/cpuinfo cannot be read."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return InstructionSet.AVX2
    match = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    flags = set(match[1].split()) if match else set()
    return next((name for flag, name in FLAGS.items() if flag in flags), InstructionSet.OTHER)
