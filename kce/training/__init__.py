"""Training a network on the classes of a merge plan: settings, sampling, augmentation, the loop, state, weights.

One loop for every plan; no mode exists. Devices and processes are found in here.
Nothing in here knows why categories were merged.
"""
