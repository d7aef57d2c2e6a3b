"""Doors: decode, call, return None. No decisions."""
