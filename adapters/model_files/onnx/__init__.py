"""ONNX model files, run by ONNX Runtime."""
