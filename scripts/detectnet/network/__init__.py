"""The network: templates, targets, loss, augmentation, training, pruning and weights (needs TensorFlow)."""

import os

# TensorFlow's start-up lines about the processor would bury what the stage says; errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
