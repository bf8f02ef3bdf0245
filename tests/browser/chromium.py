"""A headless Chromium, told what to do by its DevTools protocol over a pipe.

It reaches this machine alone: a page that needs anything from elsewhere fails.
"""

import base64
import json
import os
import select
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

__all__ = ["Chromium", "Page"]

START_S = 60.0
# all elements, in the shadows of others as well
DEEP = """
const every = function* (root) {
    for (const one of root.querySelectorAll('*')) {
        yield one
        if (one.shadowRoot) yield* every(one.shadowRoot)
    }
}
const words = (node) => [node, ...every(node)]
    .map((one) => (one.shadowRoot ?? one))
    .flatMap((root) => [...root.childNodes])
    .filter((node) => node.nodeType == Node.TEXT_NODE)
    .map((node) => node.textContent).join(' ')
"""
NAMES = ("chromium-headless-shell", "chromium", "google-chrome")


class Chromium:
    """The browser; use it in a ``with`` block.

    Parameters
    ----------
    program : path
    """

    def __init__(self, program):
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        ours, theirs = os.pipe(), os.pipe()  # (its answers), (our commands)
        self._answers, self._commands = ours[0], theirs[1]
        self._process = subprocess.Popen(
            [
                program,
                "--headless",
                "--no-sandbox",  # it runs as root in containers
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--remote-debugging-pipe",
                f"--user-data-dir={self._folder.name}",
            ],
            preexec_fn=lambda: _as_3_and_4(theirs[0], ours[1]),
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(ours[1])
        os.close(theirs[0])
        self._left, self._number = b"", 0
        self.events = []
        self._own = psutil.Process(self._process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with suppress(OSError):
            os.close(self._commands)  # it ends when nobody can tell it anything
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._answers)
        self._folder.cleanup()

    def cpu_s(self):
        """Return the processor time of all processes of the browser, s."""
        every = [self._own, *self._own.children(recursive=True)]
        return sum(sum(one.cpu_times()[:2]) for one in every)

    def tell(self, method, session=None, timeout_s=START_S, **parameters):
        """Send a command, and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            answer = self._next(until - time.monotonic())
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)
        raise TimeoutError(method)

    def page(self, width=1400, height=1000):
        """Open an empty page."""
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        session = self.tell("Target.attachToTarget", targetId=target, flatten=True)
        return Page(self, target, session["sessionId"], width, height)

    def _next(self, timeout_s):
        while b"\0" not in self._left:
            if not select.select([self._answers], [], [], max(0, timeout_s))[0]:
                return {}
            piece = os.read(self._answers, 2**20)
            if not piece:
                raise EOFError(f"Chromium ended: {self._process.wait()}")
            self._left += piece
        text, _, self._left = self._left.partition(b"\0")
        return json.loads(text)


class Page:
    """One page of a browser."""

    def __init__(self, browser, target, session, width, height):
        self._browser, self._target, self._session = browser, target, session
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.tell(f"{domain}.enable")
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def tell(self, method, **parameters):
        return self._browser.tell(method, self._session, **parameters)

    def before_loading(self, script):
        """Run a script in each document, before its own."""
        self.tell("Page.addScriptToEvaluateOnNewDocument", source=script)

    def open(self, url):
        """Go to a page; return the error of the network, or None."""
        return self.tell("Page.navigate", url=url).get("errorText")

    def value(self, expression):
        """Return what an expression of JavaScript gives."""
        outcome = self.tell(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        if "exceptionDetails" in outcome:
            raise RuntimeError(outcome["exceptionDetails"])
        return outcome["result"].get("value")

    def wait_for(self, expression, timeout_s=60.0):
        """Wait until an expression is true, and return it."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if value := self.value(expression):
                return value
            time.sleep(0.05)
        raise TimeoutError(f"{expression}\n{self.complaints()}")

    def deep(self, expression):
        """Return what an expression gives that may use `every` and `words`."""
        return self.value(f"(() => {{{DEEP}; return {expression}}})()")

    def text(self):
        """Return all that is written on the page."""
        return self.deep("words(document.body)")

    def wait_for_text(self, text, timeout_s=20.0):
        """Wait until something is written on the page."""
        until = time.monotonic() + timeout_s
        while text not in self.text():
            if time.monotonic() > until:
                raise TimeoutError(f"{text}\n{self.text()}\n{self.complaints()}")
            time.sleep(0.05)

    def choose(self, title, text):
        """Choose from the list with that title; return what there is to choose from."""
        return self.deep(
            f"""(() => {{
            const label = [...every(document)].find(
                (one) => one.localName == 'label' && one.textContent == '{title}')
            const list = label.parentNode.querySelector('select')
            const texts = [...list.options].map((one) => one.text)
            list.selectedIndex = texts.indexOf('{text}')
            list.dispatchEvent(new Event('change'))
            return texts
            }})()"""
        )

    def press(self, text):
        """Press the button on which that is written."""
        self.deep(
            f"""[...every(document)].find(
            (one) => one.localName == 'button' && one.textContent.trim() == '{text}'
            ).click()"""
        )

    def requests(self):
        """Return the addresses that the page has asked for."""
        asked = [
            one["request"]["url"] for one in self.events("Network.requestWillBeSent")
        ]
        return asked + [one["url"] for one in self.events("Network.webSocketCreated")]

    def close(self):
        """Leave the page."""
        self._browser.tell("Target.closeTarget", targetId=self._target)

    def move_mouse(self, x, y):
        """Put the mouse on a point."""
        self.tell("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def picture(self, path=None):
        """Return a PNG of the page; write it as well."""
        png = base64.b64decode(self.tell("Page.captureScreenshot")["data"])
        if path is not None:
            Path(path).write_bytes(png)
        return png

    def events(self, method):
        """Return the parameters of all events of a kind."""
        self.value("0")  # whatever has come meanwhile
        return [
            event["params"]
            for event in self._browser.events
            if event["method"] == method and event.get("sessionId") == self._session
        ]

    def complaints(self):
        """Return what the page or the browser found wrong."""
        thrown = self.events("Runtime.exceptionThrown")
        logged = [e["entry"] for e in self.events("Log.entryAdded")]
        said = self.events("Runtime.consoleAPICalled")
        return [
            *[str(one["exceptionDetails"]) for one in thrown],
            *[
                f"{e['text']} {e.get('url', '')}"
                for e in logged
                if e["level"] == "error"
            ],
            *[str(one["args"]) for one in said if one["type"] == "error"],
        ]


def _as_3_and_4(commands, answers):
    """Give a new process its two ends of the pipes by the numbers it looks for."""
    high = os.dup(answers), os.dup(commands)  # neither may be 3 or 4 by chance
    os.dup2(high[1], 3)
    os.dup2(high[0], 4)
