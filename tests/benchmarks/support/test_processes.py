from benchmarks.support.processes import in_its_own_process, memory


def test_a_process_of_its_own_has_its_own_memory() -> None:
    ballast = bytearray(b"1") * 400_000_000
    assert 0 < in_its_own_process(memory) < memory() - 0.5e-6 * len(ballast)
    assert memory(peak=True) >= 400
