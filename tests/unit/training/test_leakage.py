from training.leakage import RUN, SHORTEST, LeakageFilter

PASSAGE = "Thúy làm việc ở Hà Nội từ năm 2015 và thường đi công tác ở các tỉnh miền núi phía Bắc vào mùa hè"
WORDS = PASSAGE.split()


def test_a_copied_run_leaks_whatever_its_case_punctuation_or_tone_style() -> None:
    copied = "Báo viết: " + ", ".join(WORDS[:RUN]).upper().replace("THÚY", "Thuý") + ". Hết."
    shorter = " ".join(WORDS[: RUN - 1])
    assert LeakageFilter([PASSAGE]).leaks([copied, shorter, "Một bài khác hẳn", ""]) == [True, False, False, False]


def test_a_short_evaluation_text_leaks_only_as_a_whole() -> None:
    question = " ".join(WORDS[:SHORTEST])
    phrase = " ".join(WORDS[: SHORTEST - 1])
    assert LeakageFilter([question]).leaks([f"Hỏi: {question}?", phrase]) == [True, False]
    assert LeakageFilter([phrase]).leaks([PASSAGE]) == [False]


def test_a_run_across_two_documents_does_not_leak() -> None:
    assert LeakageFilter([PASSAGE]).leaks([" ".join(WORDS[:7]), " ".join(WORDS[7:14])]) == [False, False]
