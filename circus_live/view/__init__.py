"""The view: a live stream in a browser, without the stream having to wait for it.

::

    from circus_live.view import View

    view = View()
    flow.add(view, after="source")
    print(view.url)
"""

from circus_live.view.view import View

__all__ = ["View"]
