"""Rewrite a follow-up question as a standalone one, so that search finds the conversation's topic."""

import re
from collections.abc import Sequence
from typing import Final

from phoserve.answers.ports import ChatMessage, ChatModel, ChatOptions, TokenCounts
from phoserve.answers.question import IGNORED, Question
from phoserve.search.highlights import WORD, folded

MAX_TURNS: Final = 6
MAX_CARRIED_CHARACTERS: Final = 300
MAX_REWRITTEN_CHARACTERS: Final = 500
REWRITE_TIMEOUT_S: Final = 10.0
FEW_TERMS: Final = 2
"""A question with no more content terms is about what was asked before."""

INSTRUCTIONS: Final = """\
Viết lại câu hỏi cuối cùng của người dùng thành một câu hỏi độc lập, đủ nghĩa khi đọc riêng, dựa vào cuộc trò chuyện.
Giữ nguyên ngôn ngữ và ý của câu hỏi; nếu câu hỏi đã độc lập thì chép lại nguyên văn. Không trả lời câu hỏi.
Chỉ viết đúng một dòng là câu hỏi đó.\
"""

_OPENING: Final = re.compile(
    r"\s*(?:thế còn|vậy còn|còn|thế|vậy|rồi|và|nếu|nhưng|mà|ngoài ra|trường hợp"
    r"|what about|how about|and|but|then|if)\b",
    re.IGNORECASE,
)
_CLOSING: Final = re.compile(r"(?:thì sao|thì thế nào|thì thôi|thì làm gì|thì làm sao)\s*+[?.!]*+\s*+\Z", re.IGNORECASE)
_POINTING: Final = re.compile(
    r"\b(?:đó|này|ấy|nó|họ|như vậy|như thế|nói trên|ở trên|kể trên|it|its|that|those|these|they|them|this)\b",
    re.IGNORECASE,
)
# Question words that determine the kind of answer. A follow-up without any requests the same kind as before.
_KIND: Final = frozenset({"bao", "mấy", "nhiêu", "nào", "đâu", "ai", "gì", "how", "when", "where", "who", "what"})


_AROUND_KIND: Final = frozenset({"lâu", "không", "sao", "thế", "giờ", "ngày", "tháng", "tiền", "much", "many", "long"})


def stand_alone(question: str, history: Sequence[ChatMessage]) -> str:
    """Return `question` with the terms of the user's earlier turns that it leaves out, if it is a follow-up."""
    before = ""
    for turn in [each for each in history if each.role == "user"][-MAX_TURNS:]:
        before = _joined(turn.content, before)
    return _joined(question, before)


async def rewrite(
    question: str, history: Sequence[ChatMessage], chat: ChatModel, *, timeout_s: float
) -> tuple[str, TokenCounts | None]:
    """Return the question rewritten by an LLM as a standalone one, and the tokens used.

    Raises what the LLM raises. A reply that is no single line of text gives what `stand_alone` gives.
    """
    turns = "\n".join(f"{_speaker(each.role)}: {each.content}" for each in history[-MAX_TURNS:])
    messages = [
        ChatMessage("system", INSTRUCTIONS),
        ChatMessage("user", f"{turns}\n{_speaker('user')}: {question}\n\nCâu hỏi độc lập:"),
    ]
    text, usage = "", None
    options = ChatOptions(temperature=0.0)
    async for part in chat.reply(messages, options=options, timeout_s=min(timeout_s, REWRITE_TIMEOUT_S)):
        text = part.text if part.is_retraction else text + part.text
        usage = part.usage or usage
    line = text.strip().strip("\"“”'").removeprefix("Câu hỏi độc lập:").strip()
    if not line or "\n" in line or len(line) > MAX_REWRITTEN_CHARACTERS:
        return stand_alone(question, history), usage
    return line, usage


def is_follow_up(question: str) -> bool:
    """Return whether a question leaves out what it is about: by its first or last words, a pronoun, or few terms."""
    if _OPENING.match(question) or _CLOSING.search(question) or _POINTING.search(question):
        return True
    return len(_content(question)) <= FEW_TERMS


def _joined(question: str, before: str) -> str:
    if not before or not is_follow_up(question):
        return question
    known = {folded(word) for word in WORD.findall(question)}
    has_kind = bool(known & _KIND)
    # Asking words come in pairs ("mấy ngày", "bao nhiêu tiền"): they are carried with their neighbours or not at all.
    all_words = WORD.findall(before)
    words = [
        word
        for word, after in zip(all_words, [*all_words[1:], ""], strict=True)
        # "lãi 6 tháng bao nhiêu", "còn 24 tháng": the new number replaces the old one of the same unit.
        if folded(word) not in known and not (word.isdigit() and folded(after) in known)
    ]
    if has_kind:
        words = [word for word in words if folded(word) not in _KIND | _AROUND_KIND]
    carried = " ".join(words)[:MAX_CARRIED_CHARACTERS].strip()
    return f"{question.rstrip(' ?.!')} ({carried})?" if carried else question


def _content(question: str) -> list[str]:
    terms = Question(question).terms
    return [" ".join(term.phrase) for term in terms if not set(term.phrase) <= IGNORED]


def _speaker(role: str) -> str:
    return "Người dùng" if role == "user" else "Trợ lý"
