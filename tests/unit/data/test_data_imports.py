"""Reading tables needs no torch."""

import subprocess
import sys


def test_importing_data_imports_neither_torch_nor_torchvision():
    code = "import sys, automl_ad.data; print({'torch', 'torchvision', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
