"""Pages to people and their machines: written once, sent by any channel, each once."""
