"""Filters removed from Keras models: which channels depend on each other, and models without some.

``tracing`` follows channels through a model by the ``rules`` of its layers into the ledger of
``channels``, ``choosing`` says which of them go, ``slicing`` builds the model without them.
"""
