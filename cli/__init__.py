"""The `firstpass` command."""
