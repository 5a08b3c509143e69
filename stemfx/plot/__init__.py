"""Pictures of audio files, by matplotlib: what `stemfx check --plot` writes.

`Looking` gathers what is drawn while a file is examined, `sheet` lays the panels out, `panels` and
`bands` draw them, `words` keeps strangers' texts harmless, `saving` makes the bytes of a file.
"""
