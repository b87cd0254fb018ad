"""Which labels of different datasets look alike or different, with tests, and a plan that proposes what to merge.

Works on stored features alone: what storage leaves in features, AUROC between
categories, relations, dataset mixing, categories that were not learned.
"""
