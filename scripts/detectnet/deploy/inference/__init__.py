"""A detector over pictures, videos and cameras: sources, decoding ahead of the network, what is written."""
