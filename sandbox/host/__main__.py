"""`python -m sandbox.host --app DIR --settings FILE [--clock FILE] [--grace SECONDS]`."""

from . import main

main()
