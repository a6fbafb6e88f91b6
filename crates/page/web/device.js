// The visitor's GPU: found, described, and opened with what the kernels can use.

/** No GPU to compute on; `advice` says what a visitor can do about it. */
export class Unavailable extends Error {
    /**
     * @param {string} message
     * @param {string} advice
     */
    constructor(message, advice) {
        super(message);
        this.advice = advice;
    }
}

const BROWSERS = "WebGPU is in Chrome and Edge from version 113 (Linux: 144), Safari from 26 and Firefox from 141 " +
    "(Windows), 145 (macOS).";

/** Workgroup memory with which `score` keeps two stages of every model. */
const WORKGROUP_MEMORY = 32768;

/**
 * @typedef {object} Opened
 * @property {GPUDevice} device
 * @property {boolean} subgroups
 * @property {{ workgroupMemory: number, invocations: number, binding: number, software: boolean }} limits
 * @property {Record<string, string | number>} adapter for people and exports
 */

/**
 * Opens the adapter that the browser prefers for computing.
 * @returns {Promise<Opened>}
 */
export async function openDevice() {
    if (!globalThis.isSecureContext) {
        throw new Unavailable("This page was not loaded securely", "Open it from https, from localhost or as a file.");
    }
    if (!navigator.gpu) {
        throw new Unavailable("This browser has no WebGPU", `${BROWSERS} Some need it enabled in their flags.`);
    }
    const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
    if (!adapter) {
        throw new Unavailable(
            "The browser grants no GPU",
            "Enable hardware acceleration in its settings and update the GPU's driver; chrome://gpu or about:support " +
                "say why a GPU is blocked.",
        );
    }
    const subgroups = adapter.features.has("subgroups");
    const memory = Math.min(adapter.limits.maxComputeWorkgroupStorageSize, WORKGROUP_MEMORY);
    const device = await adapter.requestDevice({
        requiredFeatures: subgroups ? ["subgroups"] : [],
        requiredLimits: { maxComputeWorkgroupStorageSize: memory },
    });
    const { vendor, architecture, device: model, description, isFallbackAdapter } = adapter.info;
    const software = isFallbackAdapter || architecture === "swiftshader";
    return {
        device,
        subgroups,
        limits: {
            workgroupMemory: memory,
            invocations: device.limits.maxComputeInvocationsPerWorkgroup,
            binding: device.limits.maxStorageBufferBindingSize,
            software,
        },
        adapter: {
            name: description || [vendor, architecture, model].filter((part) => part).join(" ") || "not named",
            vendor,
            architecture,
            kind: software ? "software" : "GPU",
            subgroups: subgroups ? "used" : "none",
            workgroup_memory: memory,
            invocations: device.limits.maxComputeInvocationsPerWorkgroup,
            storage_binding: device.limits.maxStorageBufferBindingSize,
        },
    };
}
