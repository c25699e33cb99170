"""Carriers: the protocol, the call budget they share, and an adapter each."""
