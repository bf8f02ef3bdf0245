import logging

import pytest

from circus_io.messages import print_and_log


@pytest.mark.parametrize(
    ("level", "number"),
    [("default", 20), ("info", 20), ("debug", 10), ("warning", 30), ("error", 40)],
)
def test_each_line_is_a_record(caplog, capsys, level, number):
    with caplog.at_level(logging.DEBUG):
        print_and_log(["100 % of", "two lines"], level)
    records = [(r.name, r.levelno, r.getMessage()) for r in caplog.records]
    assert records == [
        ("circus_io", number, "100 % of"),
        ("circus_io", number, "two lines"),
    ]
    assert capsys.readouterr().out == ""


def test_a_logger_may_be_given_and_text_is_one_line(caplog):
    with caplog.at_level(logging.INFO):
        print_and_log("one", "info", logging.getLogger("mine"))
    assert [(r.name, r.getMessage()) for r in caplog.records] == [("mine", "one")]


def test_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match="choose from debug, default, info"):
        print_and_log([], "loud")
