"""Runs on the simulated device: what is driven, recorded, and left at the end."""

import json
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from circus_io.errors import DeviceError, NotWritableError, ParameterError, SafetyError
from stim.sampling.characterisation import Characterisation
from stim.sampling.designs import make_design
from stim.sampling.device import Response
from stim.sampling.devices.simulated import SimulatedDevice
from stim.sampling.limits import DriveLimits
from stim.sampling.store import SampleStore

SINE = {
    "kind": "sine",
    "rate_hz": 100,
    "batch_samples": 57,
    "n_batches": 6,
    "n_electrodes": 3,
    "seed": 2,
}


def characterisation(device, limits, **changes):
    design = make_design({**SINE, **changes.pop("design", {})})
    return Characterisation(
        device=device, design=design, limits=limits, **{"ramp_s": 0.29, **changes}
    )


def test_the_record_is_the_design_and_the_answer_of_the_device(
    device, limits, tmp_path
):
    run = characterisation(device, limits)
    seen = []
    assert run.record(tmp_path / "run", on_batch=seen.append) == tmp_path / "run"
    assert [(p.n_done, p.n_batches) for p in seen] == [(n, 6) for n in range(1, 7)]
    with SampleStore(tmp_path / "run") as store:
        for index in range(6):
            inputs, outputs = store.batch(index)
            expected = run.design.batch(index)
            np.testing.assert_array_equal(inputs, expected.astype("f4"))
            # the device again, sample by sample, from rest and with the ramp ahead
            first = np.linspace(0, expected[0], 29)
            lowpass, answers = np.zeros(3), []
            decay = np.exp(-1 / (100 * 0.02))
            for value in np.concatenate([first, expected]):
                lowpass = decay * lowpass + (1 - decay) * value
                answers.append(100 * np.tanh(device.weights @ lowpass / 0.6))
            expected = np.clip(answers[29:], -80, 80)
            np.testing.assert_allclose(outputs, expected, rtol=1e-6, atol=1e-4)
        row = store.batches[2]
        assert row["seed"] == 2
        assert row["driver"] == b"simulated 1"
        assert row["sample_index"] == 2 * (57 + 2 * 29)
        assert b"circus-toolkit" in row["software"]
        assert row["t0_unix_ns"] > store.batches[1]["t0_unix_ns"] > 1e18
        assert row["host"]
        assert store.info["units"] == {"inputs": "V", "outputs": "nA"}
    configs = json.loads((tmp_path / "run" / "sampler_configs.json").read_text())
    assert configs["input_data"]["number_batches"] == 6


def assert_down(device, limits, rate_hz=100):
    """The outputs are at rest, and have got there no faster than allowed."""
    trace = np.concatenate([np.zeros((1, 3)), *device.trace])
    assert not trace[-1].any()
    assert (
        np.abs(np.diff(trace, axis=0)).max() * rate_hz <= limits.max_slew_per_s * 1.0001
    )


@pytest.mark.parametrize("at_sample", [1, 30, 150, 200, 400])
def test_a_device_that_fails_is_brought_down(limits, tmp_path, at_sample):
    device = SimulatedDevice(limits, 2, keeps_trace=True, fails_at_sample=at_sample)
    run = characterisation(device, limits)
    with pytest.raises(DeviceError, match="fails"):
        run.record(tmp_path)
    assert_down(device, limits)
    with SampleStore(tmp_path) as store:
        assert store.n_batches == at_sample // (57 + 58)
    # and goes on, once the device is well again
    run.record(tmp_path, resume=True)
    with SampleStore(tmp_path) as store:
        assert store.is_complete


def test_an_error_of_the_caller_brings_the_outputs_down(device, limits, tmp_path):
    device.output[:] = 0.5  # as after a run that was cut short before

    def fail(progress):
        device.output[:] = 0.3
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        characterisation(device, limits).record(tmp_path, on_batch=fail)
    assert not device.output.any()


SIGNALLED = """
import sys, numpy as np
from stim.sampling.characterisation import Characterisation
from stim.sampling.designs import make_design
from stim.sampling.devices.simulated import SimulatedDevice
from stim.sampling.limits import DriveLimits

class Telling(SimulatedDevice):
    def _put_out(self, values):
        super()._put_out(values)
        if self.n_samples_done > 300 and not getattr(self, "has_told", False):
            self.has_told = True
            print("running", flush=True)

    def safe_state(self):
        was = self.output.copy()
        super().safe_state()
        print("down", np.abs(was).max() > 0.01, self.output.any(), flush=True)

limits = DriveLimits((-1.0,) * 3, (1.0,) * 3, 1000.0)
design = make_design(dict(kind="sine", rate_hz=1000, batch_samples=60_000, n_batches=2,
    n_electrodes=3))
device = Telling(limits, 1, has_real_pace=True)
Characterisation(device=device, design=design, limits=limits, ramp_s=0.1).record(
    sys.argv[1])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_brings_the_outputs_down_before_the_program_ends(tmp_path, number):
    process = subprocess.Popen(
        [sys.executable, "-c", SIGNALLED, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # whoever started the tests may have it ignored, as nohup does, and so had they
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    assert process.stdout.readline() == "running\n"
    process.send_signal(number)
    printed, errors = process.communicate(timeout=30)
    # from where it was, to 0; the second time there was nothing to do
    assert printed.splitlines() == ["down True False", "down False False"]
    assert process.returncode == -number, errors


def test_a_signal_while_outputs_go_down_waits(limits, tmp_path):
    """Two signals, the second during the ramp."""
    former = signal.signal(signal.SIGTERM, lambda *_: heard.append("former"))
    heard = []

    class Slow(SimulatedDevice):
        def run(self, wave):
            self.output[:] = 0.2
            signal.raise_signal(signal.SIGTERM)
            return super().run(wave)

        def safe_state(self):
            signal.raise_signal(signal.SIGTERM)
            heard.append("going down")
            super().safe_state()
            heard.append("down")

    device = Slow(limits, 1)
    try:
        with pytest.raises(KeyboardInterrupt):
            characterisation(device, limits).record(tmp_path)
    finally:
        signal.signal(signal.SIGTERM, former)
    assert not device.output.any()
    assert heard[:2] == ["going down", "down"]
    assert heard[-1] == "former"


def test_signals_are_left_alone_in_other_threads(device, limits, tmp_path):
    errors = []

    def work():
        try:
            characterisation(device, limits).record(tmp_path)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not errors


def test_a_design_beyond_the_limits_is_refused_before_anything_is_driven(
    device, limits
):
    with pytest.raises(SafetyError, match="electrode 2"):
        characterisation(device, limits, design={"amplitude": [0.1, 0.1, 0.8]})
    # a ramp that is too steep
    with pytest.raises(SafetyError, match="per second"):
        characterisation(device, limits, ramp_s=0.02)
    # limits of the experiment, and of the device
    narrow = DriveLimits((-0.1,) * 3, (0.1,) * 3, 10.0)
    assert characterisation(device, narrow).design.amplitude == pytest.approx(
        (0.1,) * 3
    )
    wide = DriveLimits((-9.0,) * 3, (9.0,) * 3, 1e9)
    assert characterisation(device, wide).limits == limits
    with pytest.raises(SafetyError):
        characterisation(device, wide, design={"amplitude": 1.0, "offset": 0.0})
    with pytest.raises(SafetyError, match="limits of 1 electrodes"):
        characterisation(device, DriveLimits((-1,), (1,), 1))
    assert device.trace == []


def test_a_later_batch_is_checked_before_it_leaves(device, limits, tmp_path):
    run = characterisation(device, limits)
    good = run.design.batch

    def batch(index):
        return good(index) + (5 if index == 3 else 0)

    object.__setattr__(run.design, "batch", batch)
    with pytest.raises(SafetyError, match="beyond the limits"):
        run.record(tmp_path)
    assert np.concatenate(device.trace).max() < 1
    with SampleStore(tmp_path) as store:
        assert store.n_batches == 3


def test_a_record_is_not_written_over(device, limits, tmp_path):
    run = characterisation(device, limits)
    run.record(tmp_path)
    before = (tmp_path / "samples.h5").read_bytes()
    with pytest.raises(NotWritableError, match="go on with it"):
        run.record(tmp_path)
    other = characterisation(device, limits, design={"seed": 3, "n_batches": 7})
    with pytest.raises(
        ParameterError, match=r"design.n_batches is 6 .* 7 here; design.seed"
    ):
        other.record(tmp_path, resume=True)
    run.record(tmp_path, resume=True)
    assert (tmp_path / "samples.h5").read_bytes() == before


def test_one_run_at_a_time(device, limits, tmp_path):
    run = characterisation(device, limits)

    def again(progress):
        with pytest.raises(NotWritableError, match="another run"):
            characterisation(device, limits).record(tmp_path, resume=True)

    run.record(tmp_path, on_batch=again)


def test_reference_batches_come_first_between_and_last(device, limits, tmp_path):
    run = characterisation(device, limits, reference_every=4)
    run.record(tmp_path)
    with SampleStore(tmp_path) as store:
        assert store.batches["is_reference"].tolist() == [1, 0, 0, 0, 0, 1, 0, 0, 1]
        assert store.batches["design_batch"].tolist() == [0, 0, 1, 2, 3, 0, 4, 5, 0]
        inputs = [store.batch(index)[0].tobytes() for index in (0, 5, 8)]
        assert len(set(inputs)) == 1
    with pytest.raises(ParameterError, match="reference_every"):
        characterisation(device, limits, reference_every=-1)


class Odd(SimulatedDevice):
    """Answers as it is told to."""

    answer_of = staticmethod(lambda response: response)

    def run(self, wave):
        return self.answer_of(super().run(wave))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda r: Response(r.values[:-1]), "answered with shape"),
        (lambda r: Response(r.values[:, :1]), "answered with shape"),
        (lambda r: Response(r.values * np.nan), "no numbers"),
    ],
)
def test_answers_are_checked(limits, tmp_path, answer, words):
    device = Odd(limits, 2)
    device.answer_of = answer
    with pytest.raises(DeviceError, match=words):
        characterisation(device, limits).record(tmp_path)


def test_what_was_not_delivered_is_counted(limits, tmp_path, caplog):
    device = Odd(limits, 2)
    # 29 samples of ramp, then 57, then 29
    is_compliant = np.ones(115, dtype=bool)
    is_compliant[[5, 30, 40, 100]] = False
    device.answer_of = lambda r: Response(r.values, is_compliant=is_compliant)
    characterisation(device, limits).record(tmp_path)
    with SampleStore(tmp_path) as store:
        assert store.batches["n_not_compliant"].tolist() == [2] * 6
    assert "in 2 of 57 samples" in caplog.text


def test_a_full_disk_is_seen_before_anything_is_driven(
    device, limits, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        "stim.sampling.characterisation.shutil.disk_usage",
        lambda path: type("Usage", (), {"free": 1000})(),
    )
    with pytest.raises(NotWritableError, match="room for"):
        characterisation(device, limits).record(tmp_path)
    assert device.trace == []
