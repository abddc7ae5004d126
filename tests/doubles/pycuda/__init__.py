"""A double of pycuda, not pycuda: its "GPU" is this process's own memory."""
