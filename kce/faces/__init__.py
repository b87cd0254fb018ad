"""Face folders: cropping the faces of samples into a folder, and reading them.

``cut`` fills a folder and continues where it was interrupted; ``folder`` and ``loader`` read
it. Whatever changes the pixels of a face belongs here, too: ``crop``, ``reencode``, ``degrade``.
"""
