from pathlib import Path

from circus_cli.reference import cli_markdown

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def test_page_is_that_of_the_commands():
    assert PAGE.read_text(encoding="utf-8") == cli_markdown(), (
        "run: python -m circus_cli.reference > docs/reference/cli.md"
    )
