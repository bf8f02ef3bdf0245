"""What the devices of the suites are set to."""

RATE_HZ = 50_000
NS_PER_FRAME = 20_000
CAPACITY = 10_000  # bytes of each trigger: 5000 frames, 100 ms
