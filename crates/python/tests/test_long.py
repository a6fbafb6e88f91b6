"""Long calls: progress, exceptions of a callback, Ctrl-C, and other threads meanwhile."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
import retrial


def test_progress(model, images):
    calls = []
    model.sample(2000, images=images, device="cpu", progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (12_000, 12_000) and calls == sorted(calls)
    epochs = []
    retrial.Model.train(images, epochs=3, hidden=4, latent=2, progress=lambda *of: epochs.append(of))
    assert epochs[-1] == (3, 3)


def test_what_a_callback_raises_stops_the_run(model, images):
    def stop(done, total):
        raise LookupError(f"{done} of {total}")

    for run in [
        lambda: model.sample(10**12, images=images, device="cpu", progress=stop),
        lambda: retrial.Model.train(images, epochs=10**8, hidden=4, latent=2, progress=stop),
    ]:
        with pytest.raises(LookupError, match=" of "):
            run()


@pytest.mark.parametrize(
    "call",
    [
        "retrial.Model.train(images, epochs=5, hidden=4, latent=2).sample(10**12, images=images, device='cpu', progress=say)",
        "retrial.Model.train(images, epochs=10**8, hidden=4, latent=2, progress=say)",
        "say(retrial.fit(retrial.simulate(law, 500, 500), ['eq8'])); retrial.fit(retrial.simulate(law, 500, 500), bootstrap=10**7)",
    ],
)
def test_ctrl_c(call):
    program = f"""
        import numpy as np, retrial, sys
        law = retrial.Law("beta-binomial", alpha=3, beta=0.4)
        images = np.random.default_rng(1).uniform(0, 1, (6, 25))
        def say(*of):
            print("running", flush=True)
        try:
            {call}
        except KeyboardInterrupt:
            print("interrupted")
    """
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "running\n"
    child.send_signal(signal.SIGINT)
    try:
        rest = child.communicate(timeout=120)[0]
    finally:
        child.kill()
    assert rest.endswith("interrupted\n") and child.returncode == 0


def test_other_threads_run_meanwhile(model, images):
    """The callback waits for another thread, which gets nowhere unless the lock is free while trials are drawn."""
    turns, running = [], threading.Event()

    def turn():
        while not running.is_set():
            turns.append(1)

    def enough(done, total):
        if len(turns) > 1000:
            raise StopIteration

    other = threading.Thread(target=turn)
    other.start()
    with pytest.raises(StopIteration):
        model.sample(10**12, images=images, device="cpu", progress=enough)
    running.set()
    other.join()


def test_calls_from_several_threads_agree(model, images):
    found = [None] * 4

    def run(at):
        found[at] = model.sample(5000, thresholds=[1.0, 1.5], images=images, device="cpu", threads=1).successes.tolist()

    threads = [threading.Thread(target=run, args=(at,)) for at in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert found[0] is not None and all(of == found[0] for of in found)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_computes():
    """As those of multiprocessing do, where the threads of the parent are not."""
    program = """
        import numpy as np, os, retrial
        counts = retrial.simulate(retrial.Law("beta-binomial", alpha=3, beta=0.4), 50, 50)
        images = np.random.default_rng(1).uniform(0, 1, (6, 25))
        def run():
            model = retrial.Model.train(images, epochs=5, hidden=4, latent=2)
            samples = model.sample(5000, images=images, device="cpu")
            return retrial.forecast(counts, 1000, bootstrap=20)["beta-binomial"].high[0], samples.successes.sum()
        before, child = run(), os.fork()
        if child == 0:
            os._exit(0 if run() == before else 1)
        print(os.waitpid(child, 0)[1])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120)
    assert done.stdout == "0\n", done.stderr
