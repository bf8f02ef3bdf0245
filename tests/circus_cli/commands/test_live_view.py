"""``circus live --view``, as a user calls it."""

import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest


@pytest.fixture(autouse=True)
def bokeh(require):
    require("bokeh", extra="view")


def test_the_address_is_printed_and_answers_until_the_end(folder):
    process = subprocess.Popen(
        [sys.executable, "-m", "circus_cli", "live", "--view", "--view-port", "0"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = re.search(r"view: (http://127.0.0.1:\d+/)", process.stderr.readline())[1]
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert "bokeh" in answer.read().decode()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, err
    assert re.search(r"source +view +\d+", out)
    assert "Traceback" not in err
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=5)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--view-address", "0.0.0.0"], "so it needs a token"),
        (["--view-token-file", "absent"], "the token cannot be read from absent"),
        (["--view-address", "192.0.2.1", "--view-token-file", "token"], "192.0.2.1"),
        (["--view-high-pass", "15000"], "less than half of the sampling rate"),
        (["--view-port", "70000"], "port 70000 of the view: expected 0 to 65535"),
    ],
)
def test_what_cannot_be_shown_is_one_line(circus, folder, arguments, text):
    token = folder / "token"
    token.write_text("correct-horse-battery-staple")
    token.chmod(0o600)
    outcome = circus(
        "live", "--view", "--view-port", "0", "--duration", "1", *arguments
    )
    assert outcome.status == 3, outcome.err
    assert text in outcome.err.splitlines()[-1]
    assert "Traceback" not in outcome.err
