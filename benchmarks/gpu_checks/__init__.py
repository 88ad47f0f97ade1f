"""The parts of the GPU check, one file a subject; `gpu.py` beside this folder lists and runs them."""
