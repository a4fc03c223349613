"""How long Hypothesis looks: as ever in a usual run (with CI=true always at the same examples), for long with `fuzz`.

`make fuzz` chooses the profile `fuzz`; PARKSTREAM_FUZZ_EXAMPLES says how many examples each test gets there,
PARKSTREAM_FUZZ_MESSAGES how many messages the running services get, and PARKSTREAM_FUZZ_SEED which ones.
"""

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("PARKSTREAM_FUZZ_EXAMPLES", "20000"))
MESSAGES = int(os.environ.get("PARKSTREAM_FUZZ_MESSAGES", "240"))
SEED = int(os.environ.get("PARKSTREAM_FUZZ_SEED", "5"))

settings.register_profile(
    "fuzz",
    max_examples=EXAMPLES,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
