"""What is done to a converted ONNX graph, and asked of it, before it is written; without TensorFlow."""
