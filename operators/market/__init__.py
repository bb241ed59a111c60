"""The market stage: what each symbol's market was when an order event happened."""
