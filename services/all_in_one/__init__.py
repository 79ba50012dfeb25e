"""Attribution and jobs in one process, for one machine: the same services at one address."""
