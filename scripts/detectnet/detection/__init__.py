"""From the network's two output tensors to boxes, and from boxes to figures of merit. Arrays only."""
