"""From a trained network to the device: ONNX, precision checks, engines, DeepStream files, inference."""
