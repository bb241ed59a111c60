"""Where events come from: files, the bus and the simulated desk."""
