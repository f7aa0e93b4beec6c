"""The scorers on Ray Serve, which owns placement, restarts and updates, behind one of two doors."""
