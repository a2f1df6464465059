"""Pruning of Keras models: dependencies between channels, and rebuilding without some of them.

``tracing`` follows channels through a model by the ``rules`` of its layers into the ledger of
``channels``, ``choosing`` selects the ones to remove, ``slicing`` rebuilds the model without them.
"""
