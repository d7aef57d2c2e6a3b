"""One outside thing per file: its calls, its tenacity policy, its error mapping. SDK types never leave here."""
