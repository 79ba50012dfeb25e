"""Attribution methods: one file a method, all in the table of methods.py."""
