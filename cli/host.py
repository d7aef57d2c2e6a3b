"""The app on this machine: the sandbox's host, with the sandbox's clock handed to wiring before the app is indexed."""

from sandbox.host import main
from shared import wiring

if __name__ == "__main__":
    main(wiring.use_clock)
