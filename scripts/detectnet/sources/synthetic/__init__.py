"""Synthetic scenes: cars with number plates in many places, rendered here, with exact labels."""
