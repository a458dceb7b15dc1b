"""Fast paths: what the readable ones compute, in less time; those stay the default and the reference.

The same weights but for rounding, and the same translations: tests prove it. Dropout draws other masks, and by
bf16-mixed the GRU rounds as the rest of the model does.
"""
