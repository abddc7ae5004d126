"""Boxes, KITTI labels, pictures, resizing, split and records."""
