"""What can be seen of a process: log lines, metrics, traces."""
