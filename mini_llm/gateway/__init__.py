"""The gateway: every provider behind one address, in the dialect the caller speaks."""
