"""Maths on signals: knows no recipe, no plugin and no log."""
