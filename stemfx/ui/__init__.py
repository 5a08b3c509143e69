"""The report page while its recipe is edited: served on this machine, rendered again as it changes.

`desk` is what the renderer and the page share, `pages` what is served, `server` hands it to a
browser on this machine and to nobody else, `guard` says which requests those are, `steps` tells how
far the work is, `command` what to type for the same result.

It is built on `http.server`: five small routes, no request that needs more, and no dependency (and
no extra) that would have to be kept safe.
"""

from stemfx.ui.command import command_line
from stemfx.ui.desk import Desk, KnobFaultError
from stemfx.ui.pages import ServedPage, empty_page, page_of
from stemfx.ui.server import PageServer, serving
from stemfx.ui.steps import StepObserver

__all__ = [
    "Desk",
    "KnobFaultError",
    "PageServer",
    "ServedPage",
    "StepObserver",
    "command_line",
    "empty_page",
    "page_of",
    "serving",
]
