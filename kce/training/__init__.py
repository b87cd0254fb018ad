"""Training a network on the classes of a merge plan: settings, sampling, augmentation, the loop, state, weights.

There is one loop for every plan and no mode. Only this package chooses devices and starts a process for each.
Nothing here knows why categories were merged.
"""
