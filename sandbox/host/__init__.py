"""A stand-in for the Azure Functions host: the real Python runtime in this process, fed from Service Bus queues."""

from .app import run
from .command import main

__all__ = ("main", "run")
