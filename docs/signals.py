"""Make the pictures of signals.md by running its code: `python docs/signals.py`."""

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory

PAGE = Path(__file__).with_suffix(".md").resolve()

if __name__ == "__main__":
    code = "".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        exec(compile(code, str(PAGE), "exec"), {})
        for name in ("ecg", "volume"):
            Path(f"{name}.png").replace(PAGE.with_name(f"signals-{name}.png"))
