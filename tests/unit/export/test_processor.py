from pathlib import Path

import pytest

from export.processor import InstructionSet, instruction_set


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("flags\t\t: fpu sse4_2 avx avx2 avx512bw avx512_vnni amx_int8", InstructionSet.AMX),
        ("flags\t\t: fpu sse4_2 avx avx2 avx512bw avx512_vnni", InstructionSet.AVX512_VNNI),
        ("flags\t\t: fpu avx avx2 avx_vnni", InstructionSet.AVX_VNNI),
        ("flags\t\t: fpu avx avx2 avx512f avx512bw", InstructionSet.AVX512),
        ("flags\t\t: fpu avx avx2", InstructionSet.AVX2),
        ("Features\t: fp asimd asimddp", InstructionSet.NEON_DOT),
        ("flags\t\t: fpu sse2", InstructionSet.OTHER),
    ],
)
def test_the_best_set_is_named(tmp_path: Path, line: str, expected: InstructionSet) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{line}\nbugs\t: none\n\nprocessor\t: 1\n")
    assert instruction_set(tmp_path / "cpuinfo") is expected


def test_only_processors_without_byte_products_prefer_floats() -> None:
    assert [name for name in InstructionSet if not name.favours_int8] == [InstructionSet.OTHER]


def test_without_linux_a_common_machine_is_assumed(tmp_path: Path) -> None:
    assert instruction_set(tmp_path / "missing") is InstructionSet.AVX2
