"""Find dialect words in documentation, docstrings, comments and messages.

`python -m tests.support.prose [--root FOLDER]` prints every finding, with `--count` the number of findings per word.
"""

import argparse
import ast
import fnmatch
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DIALECT = {
    "nobody": (r"\b(nobody|no one)\b", "no client, no caller, nothing, or the passive"),
    "somebody": (r"\bsomebody\b", "a client, a caller"),
    "whoever": (r"\b(whoever|whomever)\b", "the caller, anyone who, you"),
    "beside": (r"\bbesides?\b", "next to, in addition to"),
    "lies": (r"\b(lies|lie|lying)\b", "is, is stored"),
    "stands": (r"\b(stands?|stood)\b(?! for\b|-)", "is, is stored"),
    "says": (r"\b(says?|said|saying)\b", "states, reports, returns, logs"),
    "tells": (r"\b(tells?|told|telling)\b", "reports, returns, shows"),
    "hears": (r"\b(hears?|heard)\b", "receives, is notified"),
    "goes on": (r"\b(go|goes|going|went) on\b", "continues"),
    "comes to": (r"\b(come|comes|coming|came) to\b", "reaches, amounts to"),
    "all the same": (r"\ball the same\b", "still, nevertheless"),
    "so many": (r"\bso (many|much)\b", "the number, at most N"),
    "hurts": (r"\bhurts?\b", "fails, degrades, costs"),
    "house": (r"\bhouses?\b", "server, process, capacity"),
    "room": (r"\brooms?\b", "capacity, space"),
    "under way": (r"\bunder ?way\b", "in flight, in progress, active"),
    "anew": (r"\banew\b", "again"),
    "in charge": (r"\bin charge\b", "active"),
    "travels": (r"\b(travels?|travell?ed|travell?ing)\b", "is sent, passes through"),
    "by turns": (r"\bby turns\b", "alternating, interleaved"),
    "for ever": (r"\bfor ever\b", "indefinitely"),
    "mended": (r"\b(mends?|mended|mending)\b", "fix, repair"),
    "clause-title": (
        r"^#{1,6} (?:\d+[.:] )?(?:Who|Whom|Whose|What|When|Where|Which|Why|How)\b.*",
        "a noun phrase or an imperative",
    ),
}


@dataclass(frozen=True)
class Allowed:
    """One word that keeps its ordinary meaning in the files that match `path`."""

    path: str
    word: str
    reason: str


ALLOWED = (
    Allowed("tests/support/prose.py", "*", "the list of words itself"),
    Allowed("tests/unit/test_prose.py", "*", "examples of what is found"),
)

TEXT_FILES = (
    *("*.yaml", "*.yml", "*.tpl", "*.txt", "*.sh", "*.toml", "*.js", "*.html", "*.css", "*.pbtxt"),
    *("Makefile", "*Dockerfile", ".ci/*", "helm/*.json", ".devcontainer/*", ".gitignore", ".dockerignore"),
)
SKIPPED = ("cli/samples/*", "requirements.txt", "tests/cases/*", "export/bundled/vocab.txt")

VIETNAMESE = re.compile(r"[ạảãàáâậầấẩẫăắằặẳẵóòọõỏôộổỗồốơờớợởỡéèẻẹẽêếềệểễúùụủũưựữửừứíìịỉĩýỳỷỵỹđ]", re.IGNORECASE)
MIN_MESSAGE_WORDS = 3
CODE_SPAN = re.compile(r"`[^`\n]*`")
PATTERNS = {word: re.compile(pattern, re.IGNORECASE) for word, (pattern, _) in DIALECT.items()}


@dataclass(frozen=True)
class Finding:
    path: str
    line: int
    word: str
    text: str

    def __str__(self) -> str:
        better = DIALECT[self.word][1]
        return f"{self.path}:{self.line}: {self.text!r}; better: {better}"


def find_dialect(root: Path) -> list[Finding]:
    """Every dialect word in the tracked files under `root`, without the allowed ones."""
    return [
        finding
        for path in list_tracked_files(root)
        if not _matches(path, SKIPPED)
        for line, text in read_prose(root / path, path)
        for finding in check_text(path, line, text)
        if not _is_allowed(finding)
    ]


def list_tracked_files(root: Path) -> list[str]:
    listing = subprocess.run(
        ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(path for path in listing.stdout.splitlines() if (root / path).is_file())


def read_prose(file: Path, path: str) -> Iterator[tuple[int, str]]:
    """The lines of prose in one file: all of a document, docstrings, comments and messages of a program."""
    if path.endswith(".py"):
        yield from _read_python(file.read_text("utf-8"), with_messages=not path.startswith("tests/"))
    elif path.endswith(".md") or _matches(path, TEXT_FILES):
        yield from enumerate(file.read_text("utf-8").splitlines(), start=1)


def check_text(path: str, line: int, text: str) -> Iterator[Finding]:
    plain = CODE_SPAN.sub("`code`", text)
    for word, pattern in PATTERNS.items():
        if word == "clause-title" and not path.endswith(".md"):
            continue
        for match in pattern.finditer(plain):
            yield Finding(path, line, word, match.group())


def _read_python(source: str, *, with_messages: bool) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    tree = ast.parse(source)
    docstrings = set(_find_docstrings(tree))
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        if node in docstrings or (with_messages and _is_message(node.value)):
            for offset, line in enumerate(node.value.splitlines()):
                yield node.lineno + offset, line


def _find_docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Strings that are statements of their own: docstrings, also those of attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value


def _is_message(text: str) -> bool:
    return len(text.split()) >= MIN_MESSAGE_WORDS and not VIETNAMESE.search(text)


def _is_allowed(finding: Finding) -> bool:
    return any(
        fnmatch.fnmatch(finding.path, allowed.path) and allowed.word in (finding.word, "*") for allowed in ALLOWED
    )


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatch(path, pattern) or fnmatch.fnmatch(Path(path).name, pattern) for pattern in patterns)


def main() -> int:
    parser = argparse.ArgumentParser(description="Find dialect words in documentation, docstrings, comments, messages.")
    parser.add_argument("--root", type=Path, default=Path(), help="the checkout to read (default: this one)")
    parser.add_argument("--count", action="store_true", help="print the number of findings per word")
    options = parser.parse_args()
    findings = find_dialect(options.root)
    if options.count:
        counts = Counter(finding.word for finding in findings)
        lines = [f"{word:14} {counts[word]:5}" for word in DIALECT] + [f"{'total':14} {len(findings):5}"]
    else:
        lines = [*map(str, findings), f"{len(findings)} dialect words"]
    sys.stdout.write("".join(line + "\n" for line in lines))
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
