"""Suite for airspeed velocity: see docs/performance.md."""
