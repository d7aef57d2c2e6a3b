"""`python -m sandbox.host --app DIR --settings FILE [--clock FILE] [--port 0] [--grace SECONDS]`."""

from . import main

main()
