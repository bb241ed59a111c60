"""`execmon replay`: files through the monitor's own dataflow, without any server."""
