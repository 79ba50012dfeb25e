"""A whole cluster on one machine: an embedded store and every server, as child processes of one supervisor."""
