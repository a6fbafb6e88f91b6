"""Drives a page of `retrial page` in headless Chromium: browser.py PAGE OUT [RETRIAL].

Prints one JSON object of findings, and leaves screenshots and exports in OUT. WebGPU runs on SwiftShader, so no GPU is
needed; of the model's images the first 40 take part at most, as a software adapter makes a few thousand trials a second.
Of a page of no more images, what it exports (webgpu.json, asked.json) is of the whole model: `retrial merge --check`. Exits
with 1 where something is not as it should be, and names it in `faults`.
"""

import base64
import json
import struct
import subprocess
import sys
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"]
FEW = "#samples=40"
NUMBERS = {"running", "stopped", "paused"}
PATIENCE = 60

faults = []


def expect(holds, what):
    if not holds:
        faults.append(what)
    return bool(holds)


class Browser:
    """A page in a Chromium of its own."""

    def __init__(self, page, fragment="", flags=WEBGPU, width=1280, height=1000):
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for flag in ["--headless=new", "--no-sandbox", "--hide-scrollbars", f"--window-size={width},{height}", *flags]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.driver.set_script_timeout(PATIENCE)
        self.width = width
        self.start = time.monotonic()
        self.driver.get(page.resolve().as_uri() + fragment)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def state(self):
        return self.run("return globalThis.retrial?.state() ?? {phase: 'loading', trials: '0'}")

    def wait(self, what, holds, patience=PATIENCE):
        """The first state that holds, or the last with a fault."""
        end = time.monotonic() + patience
        while True:
            state = self.state()
            if holds(state):
                return state
            if time.monotonic() > end:
                faults.append(f"{what}: waited {patience} s in phase {state['phase']}, {state.get('fault')}")
                return state
            time.sleep(0.05)

    def first_numbers(self):
        """Seconds from loading to numbers, which only a proof that passed allows."""
        state = self.wait("first numbers", lambda s: s["phase"] in NUMBERS and int(s["trials"]) > 0 or failed(s))
        return state, round(time.monotonic() - self.start, 2)

    def run_to(self, trials):
        self.driver.execute_async_script(
            "const done = arguments[1]; retrial.runTo(arguments[0]).then(() => done())", trials
        )
        return self.state()

    def export(self):
        return json.loads(self.run("return retrial.exportJson()"))

    def shot(self, path, dark=False):
        """The whole page as a picture."""
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        height = self.run("return document.documentElement.scrollHeight")
        size = {"width": self.width, "height": height, "deviceScaleFactor": 1, "mobile": self.width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        time.sleep(0.5)
        wide = self.run("return document.documentElement.scrollWidth")
        expect(wide <= self.width, f"{path.name} is {wide} pixels wide")
        shown = {"format": "png", "captureBeyondViewport": True}
        path.write_bytes(base64.b64decode(self.driver.execute_cdp_cmd("Page.captureScreenshot", shown)["data"]))
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def console(self):
        return [line["message"] for line in self.driver.get_log("browser") if line["level"] in ("SEVERE", "WARNING")]


def failed(state):
    return state["phase"] in ("failed", "lost")


def check_export(found, trials, name):
    """Whether an export agrees with itself."""
    expect(found["end"] == str(trials), f"{name}: end {found['end']} instead of {trials}")
    counts = found["histogram"]["counts"]
    expect(all(sum(row) == trials for row in counts), f"{name}: a histogram misses trials")
    for t, (successes, firsts) in enumerate(zip(found["successes"], found["first_success"], strict=True)):
        for count, first in zip(successes, firsts, strict=True):
            expect((count > 0) == (first is not None), f"{name}: first success and count disagree at threshold {t}")
            expect(first is None or int(first) <= trials - count, f"{name}: first success too late")
    for low, high in zip(found["successes"], found["successes"][1:]):
        expect(all(a <= b for a, b in zip(low, high, strict=True)), f"{name}: counts fall with the threshold")


def sampling(page, out, retrial):
    """The page as a visitor has it, with a software GPU."""
    found = {}
    with Browser(page, FEW) as browser:
        state, found["seconds_to_numbers"] = browser.first_numbers()
        found["mode"], found["proof"] = state.get("mode"), state.get("proof")
        expect(state.get("mode") == "webgpu", f"mode {state.get('mode')}: {state.get('notice')}")
        if not expect(state.get("proof") and state["proof"]["passed"], f"proof: {state.get('fault')}"):
            found["console"] = browser.console()
            return found
        state = browser.run_to(400)
        expect((state["phase"], state["trials"]) == ("stopped", "400"), f"runTo(400) ended in {state['trials']}")
        found["rate"] = state["rate"]
        export = browser.export()
        check_export(export, 400, "webgpu")
        (out / "webgpu.json").write_text(json.dumps(export))
        found["thresholds"] = threshold(browser)
        found["stopped"] = start_and_stop(browser)
        found["hidden"] = hidden(browser)
        found["csv"] = csv(browser, out, retrial)
        browser.shot(out / "light-1280.png")
        browser.shot(out / "dark-1280.png", dark=True)
        found["lost"] = lost(browser)
        found["temperature"] = temperature(browser)
        found["longest_task_ms"] = browser.state()["longestTask"]
        found["console"] = browser.console()
    return found


def quantile(export, share):
    """The least edge of the histogram with such a share of all errors below."""
    counts = [sum(column) for column in zip(*export["histogram"]["counts"], strict=True)]
    below, bin = 0, export["histogram"]["first_bin"]
    for count in counts:
        below, bin = below + count, bin + 1
        if below >= share * sum(counts):
            break
    return struct.unpack("f", struct.pack("I", bin << 16))[0]


def threshold(browser):
    """The threshold acts at once, on the same trials."""
    trials = browser.state()["trials"]
    export, seen = browser.export(), []
    for share in (0.001, 0.01, 0.1, 0.5, 1):
        value = quantile(export, share)
        browser.run("retrial.setThreshold(arguments[0])", value)
        state = browser.state()
        expect(state["trials"] == trials, f"threshold {value} changed the trials")
        expect(state["threshold"] == value, f"threshold {value} became {state['threshold']}")
        seen.append(sum(map(int, state["successes"])))
    total = len(state["successes"]) * int(trials)
    expect(seen == sorted(seen) and seen[0] < seen[-1], f"successes {seen} do not rise with the threshold")
    expect(seen[-1] == total, f"{seen[-1]} of {total} errors are below the largest edge")
    slider = browser.driver.find_element(By.ID, "threshold")
    set_threshold = "retrial.setThreshold(arguments[0]); return retrial.state().threshold"
    before = browser.run(set_threshold, quantile(export, 0.03))
    time.sleep(0.3)  # the slider follows with the next frame
    slider.send_keys(Keys.ARROW_RIGHT)
    after = browser.state()["threshold"]
    expect(before < after < before * 1.01, f"an arrow moved the threshold from {before} to {after}")
    return seen


def start_and_stop(browser):
    """The button and the space bar."""
    before = int(browser.state()["trials"])
    browser.driver.find_element(By.ID, "toggle").click()
    state = browser.wait("start", lambda s: int(s["trials"]) > before)
    expect(state["phase"] == "running", f"after a click: {state['phase']}")
    browser.driver.find_element(By.TAG_NAME, "body").send_keys(" ")
    state = browser.wait("space bar", lambda s: s["phase"] == "stopped", 5)
    time.sleep(1)
    at = browser.state()["trials"]
    time.sleep(1)
    expect(browser.state()["trials"] == at, "it went on after a stop")
    return at


def hidden(browser):
    """A tab that is not seen pauses, and says so."""
    hide = """Object.defineProperty(document, 'hidden', {value: arguments[0], configurable: true});
        document.dispatchEvent(new Event('visibilitychange'))"""
    browser.run("retrial.start()")
    browser.run(hide, True)
    state = browser.wait("hidden", lambda s: s["phase"] == "paused", 5)
    time.sleep(1.5)
    at = browser.state()["trials"]
    time.sleep(1)
    expect(browser.state()["trials"] == at, "it went on while hidden")
    said = browser.driver.find_element(By.ID, "status").text
    expect("not visible" in said, f"a hidden page says: {said}")
    browser.run(hide, False)
    browser.wait("seen again", lambda s: s["phase"] == "running" and int(s["trials"]) > int(at))
    browser.run("retrial.stop()")
    return state["phase"]


def csv(browser, out, retrial):
    """The counts are what `retrial fit` reads."""
    browser.run("retrial.setThreshold(arguments[0])", quantile(browser.export(), 0.03))
    time.sleep(1)
    text = browser.run("return retrial.exportCsv()")
    (out / "counts.csv").write_text(text)
    rows = [line.rsplit(",", 2) for line in text.splitlines()[1:]]
    state = browser.state()
    expect([row[2] for row in rows] == state["successes"], "the CSV has other counts")
    expect({row[1] for row in rows} == {state["trials"]}, "the CSV has other trials")
    if retrial is None:
        return "not read: no binary given"
    read = subprocess.run([retrial, "fit", out / "counts.csv", "--law", "eq8", "--json"], capture_output=True, text=True)
    if not expect(read.returncode == 0, f"retrial fit: {read.stderr}"):
        return read.stderr
    native = json.loads(read.stdout)[0]
    law = browser.run("return document.getElementById('law').textContent")
    return {"native": native["parameters"], "page": law}


def lost(browser):
    """Windows that were finished outlive their device."""
    browser.wait("rest", lambda s: s["phase"] == "stopped", 5)
    time.sleep(1)
    before = browser.export()
    browser.run("retrial.start(); retrial.loseDevice()")
    state = browser.wait("lost", lambda s: s["phase"] == "lost", 10)
    said = browser.driver.find_element(By.ID, "status").text
    expect("lost" in said, f"a lost device says: {said}")
    expect(int(state["trials"]) >= int(before["end"]), "finished windows were lost with the device")
    browser.driver.find_element(By.ID, "again").click()
    browser.wait("restart", lambda s: s["phase"] == "running" and int(s["trials"]) > int(before["end"]))
    browser.run("retrial.stop()")
    time.sleep(2)
    after = browser.export()
    check_export(after, int(after["end"]), "after a lost device")
    for old, new in zip(before["first_success"], after["first_success"], strict=True):
        kept = all(a is None or a == b for a, b in zip(old, new, strict=True))
        expect(kept, "first successes changed with the device")
    return {"before": before["end"], "after": after["end"], "said": said}


def temperature(browser):
    """Another temperature begins anew, and errors grow with it."""
    seen = []
    for value in (0.5, 2.0):
        browser.run("retrial.setTemperature(arguments[0])", value)
        expect(browser.state()["trials"] == "0", f"temperature {value} kept the trials")
        state = browser.run_to(140)
        expect(state["trials"] == "140" and state["temperature"] == value, f"temperature {value}: {state['trials']}")
        check_export(browser.export(), 140, f"temperature {value}")
        seen.append(sum(map(int, state["successes"])))
    expect(seen[0] > seen[1], f"successes {seen} do not fall with the temperature")
    return seen


def fallback(page, out, name, fragment, flags, width):
    """Without a GPU JavaScript makes the same trials."""
    with Browser(page, fragment, flags, width) as browser:
        state, seconds = browser.first_numbers()
        expect(state.get("mode") == "javascript", f"{name}: mode {state.get('mode')}")
        expect(state.get("proof") and state["proof"]["passed"], f"{name}: {state.get('fault')}")
        browser.run_to(140)
        export = browser.export()
        check_export(export, 140, name)
        (out / f"{name}.json").write_text(json.dumps(export))
        browser.shot(out / f"{name}-{width}.png")
        notice = browser.run("const n = document.getElementById('notice'); return n.hidden ? '' : n.textContent")
        state = browser.state()
        return {
            "seconds_to_numbers": seconds,
            "proof": state["proof"],
            "rate": state["rate"],
            "notice": notice,
            "longest_task_ms": state["longestTask"],
            "console": browser.console(),
        }


def agree(out):
    """GPU and JavaScript make the same trials: only one within rounding of a threshold may succeed on one of them."""
    gpu, host = (json.loads((out / name).read_text()) for name in ("webgpu.json", "asked.json"))
    expect(gpu["thresholds"] == host["thresholds"], "GPU and JavaScript have other thresholds")
    end, unlike, pairs = int(host["end"]), 0, 0
    for a, b in zip(gpu["first_success"], host["first_success"], strict=True):
        for first, other in zip(a, b, strict=True):
            pairs += other is not None
            unlike += (first if first is not None and int(first) < end else None) != other
    expect(pairs > 0 and unlike <= 1, f"{unlike} of {pairs} first successes differ between GPU and JavaScript")
    return {"first_successes": pairs, "unlike": unlike}


def tampered(page, out):
    """A page whose kernels are wrong shows no number, and offers JavaScript."""
    text = page.read_text()
    faults_made = {
        "noise": ("0xD2511F53u * c.x", "0xD2511F55u * c.x", "errors differ"),
        "bins": ("atomicAdd(&block_bins[bin], 1u)", "atomicAdd(&block_bins[bin], 2u)", "the GPU counted"),
        "records": ("+ local, bits, RECORD)", "+ local, bits + 1u, RECORD)", "tally of image"),
        "syntax": ("fn score(", "fn score(from: u32, ", "refuses line"),
    }
    said = {}
    for name, (right, wrong, words) in faults_made.items():
        path = out / f"tampered-{name}.html"
        if not expect(right in text, f"the shaders lack {right}"):
            continue
        path.write_text(text.replace(right, wrong))
        with Browser(path, FEW) as browser:
            state = browser.wait(f"tampered {name}", lambda s: s["phase"] in NUMBERS or failed(s))
            said[name] = browser.driver.find_element(By.ID, "status").text
            expect(state["phase"] == "failed" and words in said[name], f"tampered {name}: {state['phase']}, {said[name]}")
            time.sleep(0.3)
            shown = browser.run("return ['trials', 'share', 'solved'].map((id) => document.getElementById(id).textContent)")
            expect(shown == ["\u2013"] * 3, f"tampered {name} shows {shown}")
            if name == "noise":
                browser.shot(out / "failed-1280.png")
            browser.driver.find_element(By.ID, "javascript").click()
            after = browser.wait(f"tampered {name}, JavaScript", lambda s: s["phase"] == "running")
            expect(after["mode"] == "javascript" and after["proof"]["passed"], f"tampered {name}: {after['fault']}")
        path.unlink()
    return said


def still(page):
    """Who wants less motion starts the page."""
    with Browser(Path(page), f"{FEW}&fallback") as browser:
        feature = {"name": "prefers-reduced-motion", "value": "reduce"}
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        browser.driver.refresh()
        state, _ = browser.first_numbers()
        time.sleep(1)
        state = browser.state()
        expect((state["phase"], state["trials"]) == ("stopped", "2"), f"less motion: {state['phase']}, {state['trials']}")
        return state["phase"]


def address(page):
    """What the address asks for in vain is said."""
    with Browser(page, "#seed=x") as browser:
        end = time.monotonic() + 10
        while "whole number" not in (said := browser.driver.find_element(By.ID, "status").text):
            if not expect(time.monotonic() < end, f"#seed=x says: {said}"):
                break
            time.sleep(0.1)
        return said


def main():
    page, out = Path(sys.argv[1]), Path(sys.argv[2])
    retrial = sys.argv[3] if len(sys.argv) > 3 else None
    out.mkdir(parents=True, exist_ok=True)
    findings = {
        "webgpu": sampling(page, out, retrial),
        "fallback": fallback(page, out, "asked", f"{FEW}&fallback", WEBGPU, 400),
        "no_webgpu": fallback(page, out, "no-webgpu", FEW, ["--disable-features=WebGPU", "--disable-gpu"], 1280),
        "agree": agree(out),
        "tampered": tampered(page, out),
        "reduced_motion": still(page),
        "address": address(page),
        "faults": faults,
    }
    print(json.dumps(findings, indent=2))
    sys.exit(bool(faults))


main()
