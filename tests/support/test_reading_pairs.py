"""Lists of questions and answers become articles."""

import pytest

from chatpush.errors import InvalidKnowledge
from chatpush.support.knowledge.reading_pairs import pairs_of


def test_rows_with_the_same_answer_are_one_article() -> None:
    raw = "question,answer\nHow long?,Two days.\nWhen will it come?,Two days.\nHow much?,Three pounds.\n"
    how_long, how_much = pairs_of(raw.encode(), ".csv", "faq", "faq.csv")
    assert (how_long.title, how_long.text, how_long.language) == ("How long?", "Two days.", "en")
    assert how_long.questions == ("How long?", "When will it come?")
    assert how_much.id.startswith("faq:")


def test_a_list_read_again_has_the_same_ids() -> None:
    before = pairs_of(b"question,answer\nA?,One.\nB?,Two.\n", ".csv", "faq", "faq.csv")
    after = pairs_of(b"question,answer\nB?,Two.\nA?,Changed.\n", ".csv", "faq", "faq.csv")
    assert {one.id for one in before} == {one.id for one in after}


def test_lines_of_json_and_chinese_columns() -> None:
    line = '{"id": "r", "question": "怎么退货", "answer": "三十天内。", "questions": ["我要退货"], "tags": ["退"]}\n\n'
    (draft,) = pairs_of(line.encode(), ".jsonl", "faq", "faq.jsonl")
    assert (draft.id, draft.language, draft.questions, draft.tags) == (
        "faq:r",
        "zh",
        ("怎么退货", "我要退货"),
        ("退",),
    )
    table = "问题\t答案\t相似问题\n怎么退货\t三十天内。\t我要退货|退货流程\n"
    (draft,) = pairs_of(table.encode("gb18030"), ".tsv", "faq", "faq.tsv")
    assert draft.questions == ("怎么退货", "我要退货", "退货流程")


@pytest.mark.parametrize(
    ("raw", "suffix", "told"),
    [
        (b"", ".csv", "question and answer"),
        (b"a,b\n1,2\n", ".csv", "question and answer"),
        (b"question,answer\nA?,\n", ".csv", "line 2"),
        (b"question,answer\n", ".csv", "no questions"),
        (b'question,answer\n"A?,x\n', ".csv", "line"),
        (b"{", ".jsonl", "no JSON"),
        (b"[1]\n", ".jsonl", "one object"),
        (b'{"question": 1}\n', ".jsonl", "needs a question"),
        (b"\x00\x01", ".csv", "binary"),
    ],
)
def test_what_is_wrong_is_told(raw: bytes, suffix: str, told: str) -> None:
    with pytest.raises(InvalidKnowledge, match=told):
        pairs_of(raw, suffix, "faq", "faq")
