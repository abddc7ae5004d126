"""Everything measured, on one self-contained page."""
