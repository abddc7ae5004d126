"""Raw pictures and annotations of any origin to KITTI folders: one adapter per annotation format."""
