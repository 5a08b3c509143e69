"""stemfx: post-processing for separated stems, driven by one shareable recipe."""

__version__ = "0.1.0"
