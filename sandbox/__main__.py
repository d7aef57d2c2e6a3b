"""`python -m sandbox`: the stand-ins on their fixed ports, until Ctrl-C; `--free-ports` chooses free ones."""

import argparse
import signal
import sys

from sandbox.process import NotReadyError
from sandbox.stack import Stack

BROKER = {"broker": 15672, "broker --control-port": 15673}
PORTS = {**BROKER, "directory": 18080, "phone": 18081, "azurite": 10002, "app": 7071}  # the last as `func start`


def table(stack: Stack) -> str:
    """What runs where, and how to look at it."""
    queues, world, inbox = f"{stack.broker.ready['control']}/sandbox/queues", stack.directory.url, stack.phone.url
    rows = [
        ("SERVICE", "STANDS FOR", "LOOK AT IT", "APP SETTING"),
        ("broker", "Azure Service Bus", queues, "ServiceBusConnection"),
        (
            "directory",
            "Microsoft Graph",
            f"{world}/sandbox/passes (PUT …/sandbox/world)",
            "GRAPH_URL, IDENTITY_ENDPOINT",
        ),
        ("phone", "Twilio", f"{inbox}/ (what the phones received)", "TWILIO_URL"),
        ("azurite", "Azure Table Storage", "any Azure Storage client", "LedgerConnection"),
    ]
    lines = [f"{row[0]:<11}{row[1]:<21}{row[2]:<62}{row[3]}" for row in rows]
    addresses = [f"{name}={value}" for name, value in stack.addresses.items()]
    return "\n".join([*lines, "", *addresses, "", f"Logs, clock: {stack.folder}", "Stop with Ctrl-C."])


def main() -> None:
    """Start everything, say where it is, wait for SIGINT or SIGTERM, end everything."""
    parser = argparse.ArgumentParser("sandbox", description="Stand-ins for Service Bus, Graph, Twilio and tables.")
    parser.add_argument("--free-ports", action="store_true", help="choose free ports instead of the fixed ones")
    asked = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell's background job inherits it ignored
        signal.signal(number, signal.default_int_handler)
    try:
        with Stack({} if asked.free_ports else PORTS) as stack:
            print(table(stack), flush=True)
            signal.pause()
    except NotReadyError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("The sandbox has ended.")


if __name__ == "__main__":
    main()
