"""The keyed steps of the flow: split, market, orders."""
