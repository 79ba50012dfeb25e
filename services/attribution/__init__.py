"""The attribution server: one forward and at most one backward pass a picture, answered in milliseconds.

bytes -> attribution_servicer (requests.py validates, pictures.py decodes)
      -> executor.py (queue, micro-batches, the model's one thread)
      -> attribution_servicer (answers.py encodes) -> bytes
"""
