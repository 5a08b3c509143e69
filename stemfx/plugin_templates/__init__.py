"""What `stemfx new-plugin` copies: for each kind a module, its tests and a page of README.

The modules and tests are real code, held to the rules of stemfx; `pyproject.toml.txt` has another
name here, or tools would take this folder for a project. `stemfx.new_plugin` puts the plugin's
own name where `newplugin`, `NewPlugin` and the name of the module stand. A line with one of these
is short, or has its arguments one a line, so that a longer name leaves its layout alone.
"""
