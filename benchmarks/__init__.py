"""Side-by-side measurements. `make bench` prints the tables of docs/benchmarks.md; each figure that counts is a ratio
against a peer measured in the same run."""
