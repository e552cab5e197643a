from __future__ import annotations

import subprocess
import sys

LOOK = "print('pydantic' in sys.modules)"
READ = "adapters.target.read_target({'url': 'http://host.invalid/x'})"


def pydantic_after(code: str) -> bool:
    code = f"import sys, adapters.registry, adapters.target\n{code}\n{LOOK}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip() == "True"


def test_pydantic_is_loaded_when_a_description_is_read_and_not_before() -> None:
    assert not pydantic_after("adapters.target.Target('http', 'http://host.invalid/x')")
    assert pydantic_after(READ)
