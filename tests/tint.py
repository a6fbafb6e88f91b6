"""Judges WGSL as Chromium does: by Tint, inside Dawn, within WebGPU's default limits.

Reads a JSON list of {name, text, features, entries, overrides} from stdin, where overrides is a list of sets of values.
Compiles every text, and a pipeline of every entry at every set; prints what was said against them, as JSON.
"""

import ctypes
import json
import sys

from pydawn import utils, webgpu

FEATURES = {"f16": webgpu.WGPUFeatureName_ShaderF16, "subgroups": webgpu.WGPUFeatureName_Subgroups}


def device(adapter, features):
    wanted = [FEATURES[name] for name in features]
    missing = [name for name in features if not webgpu.wgpuAdapterHasFeature(adapter, FEATURES[name])]
    if missing:
        raise RuntimeError(f"the adapter has no {', '.join(missing)}")
    described = webgpu.WGPUDeviceDescriptor()
    described.requiredFeatureCount = len(wanted)
    listed = (webgpu.WGPUFeatureName * len(wanted))(*wanted)
    described.requiredFeatures = ctypes.cast(listed, ctypes.POINTER(webgpu.WGPUFeatureName))
    found = {}

    def answer(status, device, message, _):
        found.update(device=device, message=utils.from_wgpu_str(message))

    callback = webgpu.WGPURequestDeviceCallbackInfo()
    callback.mode = webgpu.WGPUCallbackMode_WaitAnyOnly
    callback.callback = webgpu.WGPURequestDeviceCallback(answer)
    utils.wait(webgpu.wgpuAdapterRequestDeviceF(adapter, described, callback))
    if not found["device"]:
        raise RuntimeError(found["message"])
    return found["device"]


def pipeline(device, module, entry, values):
    """What is said against a pipeline, or None."""
    constants = (webgpu.WGPUConstantEntry * max(1, len(values)))()
    keys = [utils.to_wgpu_str(name) for name in values]
    for constant, key, value in zip(constants, keys, values.values()):
        constant.key = key
        constant.value = value
    described = webgpu.WGPUComputePipelineDescriptor()
    described.compute.module = module
    described.compute.entryPoint = utils.to_wgpu_str(entry)
    described.compute.constantCount = len(values)
    described.compute.constants = constants
    webgpu.wgpuDevicePushErrorScope(device, webgpu.WGPUErrorFilter_Validation)
    webgpu.wgpuDeviceCreateComputePipeline(device, described)
    return utils.pop_error(device)


def judge(adapter, shader):
    try:
        on = device(adapter, shader["features"])
        module = utils.create_shader_module(on, shader["text"])
    except RuntimeError as fault:
        return [f"{shader['name']}: {fault}"]
    faults = []
    for entry in shader["entries"]:
        for values in shader["overrides"]:
            fault = pipeline(on, module, entry, values)
            if fault:
                faults.append(f"{shader['name']}, {entry} at {values}: {fault}")
    return faults


def main():
    adapter = utils.request_adapter_sync(power_preference=webgpu.WGPUPowerPreference_HighPerformance)
    print(json.dumps([fault for shader in json.load(sys.stdin) for fault in judge(adapter, shader)]))


main()
