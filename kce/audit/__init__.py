"""Audit of category names: which labels of different datasets look alike or different, with tests and a proposed plan.

It works on stored features alone. ``traces`` makes datasets comparable; ``trace_tests`` and ``auroc`` compare two
categories, ``relations`` decides what they are to each other, ``proposals`` turns that into a plan; ``dataset_mixing``
examines classes, ``unlearned`` finds categories that a network has not learned.
"""
