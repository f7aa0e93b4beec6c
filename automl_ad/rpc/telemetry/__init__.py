"""What can be seen of a running service: metrics, drift, traces, logs."""
