"""Networks as files for other programs: ONNX, 8-bit integers, torch.export."""
