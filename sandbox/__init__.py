"""Stand-ins on loopback that speak the real protocols: broker, directory, phone, Azurite, host. See COVERAGE.md."""
