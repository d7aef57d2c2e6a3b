"""A Service Bus broker on loopback: AMQP 1.0 as azure-servicebus speaks it, for queues only."""
