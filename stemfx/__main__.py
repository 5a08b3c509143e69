"""`python -m stemfx` is `stemfx`."""

from stemfx.cli import main

main()
