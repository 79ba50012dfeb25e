"""What a cluster costs and where it ends.

Unit costs measured here, a simulation of many GPUs that is fed with them, beside one to three workers.
"""
