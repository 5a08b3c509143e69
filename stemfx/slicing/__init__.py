"""A library of samples from stems: one-shots of drums and loops of whole bars.

What is cut is decided in a first pass over a stem and kept as numbers (`pieces`); a second pass
makes the sound. So memory holds one window of a stem at a time, however long the song is.
"""
