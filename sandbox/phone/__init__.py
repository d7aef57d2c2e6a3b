"""The phone: a stand-in for Twilio's Messages API, and the phones its messages reach. See COVERAGE.md."""
