"""The report page while its recipe is edited: served on this machine, rendered again as it changes.

`desk` is what the renderer and the page share, `server` hands it to a browser on this machine and
to nobody else, `guard` says which requests those are, `command` what to type for the same result.

It is built on `http.server`: five small routes, no request that needs more, and no dependency (and
no extra) that would have to be kept safe.
"""

from stemfx.ui.command import command_line
from stemfx.ui.desk import Desk, KnobFaultError, Rendering
from stemfx.ui.guard import audio_folder
from stemfx.ui.plain import knobs_json, plain_page
from stemfx.ui.server import PageServer, serving
from stemfx.ui.steps import Observers, StepObserver

__all__ = [
    "Desk",
    "KnobFaultError",
    "Observers",
    "PageServer",
    "Rendering",
    "StepObserver",
    "audio_folder",
    "command_line",
    "knobs_json",
    "plain_page",
    "serving",
]
