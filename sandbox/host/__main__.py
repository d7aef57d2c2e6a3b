"""`python -m sandbox.host --app DIR --settings FILE [--clock FILE] [--grace SECONDS]`."""

from .command import main

main()
