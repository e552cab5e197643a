"""adapters.model_files.onnx."""
