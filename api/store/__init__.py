"""Tables that only the API writes: sessions, keys and the audit."""
