"""Songs: their tempo, beats, bars and key."""

from stemfx.music.read import read_music

__all__ = ["read_music"]
