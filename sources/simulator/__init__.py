"""A seeded trading desk: its market, its orders, its venues and, on request, its faults."""
