"""Separate what a model wrote to think from what it answers."""

import re
from collections.abc import Iterator
from typing import Final

from phoserve.answers.ports import ChatPart

# How open models mark their reasoning: Qwen, DeepSeek and others; Magistral; Kimi; Seed; gpt-oss without a parser.
PAIRS: Final = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "<reflection>": "</reflection>",
    "<seed:think>": "</seed:think>",
    "[think]": "[/think]",
    "◁think▷": "◁/think▷",
    "<|channel|>analysis<|message|>": "<|channel|>final<|message|>",
}
# What may be left around the answer once gpt-oss's reasoning is cut away.
NOISE: Final = ("<|start|>assistant", "<|return|>", "<|end|>")
CLOSINGS: Final = tuple(PAIRS.values())
OUTSIDE: Final = (*PAIRS, *CLOSINGS, *NOISE)
_TAG: Final = re.compile("|".join(re.escape(tag) for tag in OUTSIDE), re.IGNORECASE)


class ReasoningFilter:
    """Splits a streamed reply into text and reasoning, however the stream is cut.

    Some chat templates open the block themselves, so that only the closing tag arrives. All text before it is then
    retracted, and `begins_inside` is true from there on: give it to the next reply's filter, which holds its text
    back until the tag.
    """

    def __init__(self, *, begins_inside: bool = False) -> None:
        self.begins_inside = begins_inside
        self._closing = ""
        self._held = ""
        self._is_held_whole = begins_inside
        self._is_first_text = True

    def feed(self, text: str) -> Iterator[ChatPart]:
        """Yield what is certain now that `text` has come."""
        self._held += text
        while True:
            if self._closing:
                found = re.search(re.escape(self._closing), self._held, re.IGNORECASE)
                if found is None:
                    yield from self._release(_safe_length(self._held, (self._closing,)), is_reasoning=True)
                    return
                yield from self._release(found.start(), is_reasoning=True)
                self._skip(found.end() - found.start())
                self._closing = ""
            else:
                found = _TAG.search(self._held)
                if found is None:
                    if not self._is_held_whole:
                        yield from self._release(_safe_length(self._held, OUTSIDE))
                    return
                yield from self._pass_tag(found)

    def finish(self) -> Iterator[ChatPart]:
        """Yield the rest, once nothing more comes."""
        yield from self._release(len(self._held), is_reasoning=bool(self._closing))

    def _pass_tag(self, found: "re.Match[str]") -> Iterator[ChatPart]:
        tag, length = found.group().lower(), found.end() - found.start()
        if tag in PAIRS:
            self._is_held_whole = False
            yield from self._release(found.start())
            self._closing = PAIRS[tag]
        elif tag in NOISE:
            yield from self._release(found.start())
        else:  # a closing tag without its opening
            yield from self._retract(found.start())
        self._skip(length)

    def _retract(self, length: int) -> Iterator[ChatPart]:
        if not self._is_held_whole and not self._is_first_text:
            yield ChatPart(is_retraction=True)
        self.begins_inside = True
        self._is_held_whole = False
        self._is_first_text = True
        yield from self._release(length, is_reasoning=True)

    def _release(self, length: int, *, is_reasoning: bool = False) -> Iterator[ChatPart]:
        text, self._held = self._held[:length], self._held[length:]
        if is_reasoning:
            if text:
                yield ChatPart(reasoning=text)
            return
        if self._is_first_text:
            text = text.lstrip()  # models leave blank lines after their reasoning
        if text:
            self._is_first_text = False
            yield ChatPart(text)

    def _skip(self, length: int) -> None:
        self._held = self._held[length:]


def _safe_length(text: str, tags: tuple[str, ...]) -> int:
    """The length of `text` without an end that may be the beginning of a tag."""
    lowered = text.lower()
    longest = max(len(tag) for tag in tags)
    for start in range(max(0, len(text) - longest + 1), len(text)):
        if any(tag.startswith(lowered[start:]) for tag in tags):
            return start
    return len(text)
